// An application that knows nothing of Treaty: node-postgres, a pool of connections.
//
// usage: node with_node_postgres.js DSN TAG
//
// Every row carries the tag in `note`. Prints, as JSON, the figures that must come of it.
'use strict';

const { randomUUID } = require('node:crypto');
const { Pool } = require('pg');

const TASKS = 60;

/** Runs `work` in a transaction on a connection of its own. */
async function transaction(pool, work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** Arrays as parameters: one statement, many rows. */
async function fill(pool, tag, amounts) {
  const ids = Array.from({ length: 400 }, () => randomUUID());
  const names = ids.map((_, number) => `${tag} "${number}", {${number}}`);
  const numbers = ids.map((_, number) => number);
  const prices = numbers.map((number) => (number % 3 === 0 ? null : `${number}.05`));
  await pool.query(
    `INSERT INTO items (id, name, amount, price, note)
     SELECT * , $5 FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::numeric[])`,
    [ids, names, numbers, prices, tag],
  );
  ids.forEach((id, number) => amounts.set(id, number));
  await pool.query('UPDATE items SET amount = amount + 1 WHERE id = ANY($1::uuid[])', [ids.slice(0, 100)]);
  ids.slice(0, 100).forEach((id) => amounts.set(id, amounts.get(id) + 1));
  const gone = await pool.query('DELETE FROM items WHERE id = ANY($1) RETURNING id', [ids.slice(390)]);
  gone.rows.forEach(({ id }) => amounts.delete(id));
  return ids.slice(0, 390);
}

/** Many transactions at once, each of a named prepared statement, a savepoint and a row; every sixth is rolled back. */
async function crowd(pool, tag, ids, amounts) {
  const add = { name: 'add', text: 'UPDATE items SET amount = amount + $2 WHERE id = $1' };
  const task = async (number) => {
    const id = ids[number % 20];
    const fresh = randomUUID();
    try {
      await transaction(pool, async (client) => {
        await client.query({ ...add, values: [id, number] });
        await client.query('SAVEPOINT attempt');
        try {
          await client.query('INSERT INTO items (id, name, note) VALUES ($1, $2, $3)', [id, 'twice', tag]);
        } catch (error) {
          if (error.code !== '23505') throw error;
          await client.query('ROLLBACK TO SAVEPOINT attempt');
        }
        await client.query('INSERT INTO items (id, name, amount, note) VALUES ($1, $2, $3, $4)',
          [fresh, `${tag} task ${number}`, number, tag]);
        if (number % 6 === 0) throw new Error('changed my mind');
      });
    } catch (error) {
      if (error.message !== 'changed my mind') throw error;
      return;
    }
    amounts.set(id, amounts.get(id) + number);
    amounts.set(fresh, number);
  };
  await Promise.all(Array.from({ length: TASKS }, (_, number) => task(number)));
}

async function main() {
  const [dsn, tag] = process.argv.slice(2);
  const pool = new Pool({ connectionString: dsn, max: 8 });
  const amounts = new Map();
  const ids = await fill(pool, tag, amounts);
  await crowd(pool, tag, ids, amounts);
  await pool.end();
  const amount = [...amounts.values()].reduce((sum, each) => sum + each, 0);
  console.log(JSON.stringify({ rows: amounts.size, amount }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
