-- Stock of a small shop with several tills: prices as decimals, deliveries with dates and times.

CREATE TABLE staff (
  id    UUID PRIMARY KEY,
  who   IDENTITY NOT NULL UNIQUE,
  name  TEXT NOT NULL,
  lead  BOOLEAN NOT NULL DEFAULT FALSE
);
REVOKE UPDATE (who, lead) ON staff FROM PUBLIC;
CREATE POLICY leads_hire    ON staff FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM staff s WHERE s.who = author() AND s.lead));
CREATE POLICY own_name      ON staff FOR UPDATE USING (who = author());
CREATE POLICY leads_dismiss ON staff FOR DELETE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author() AND s.lead));

CREATE TABLE suppliers (
  id         UUID PRIMARY KEY,
  name       VARCHAR(120) NOT NULL,
  vat        VARCHAR(20) UNIQUE,
  since      DATE,
  until      DATE,
  opens      TIME NOT NULL DEFAULT '08:00',
  closes     TIME NOT NULL DEFAULT '17:30',
  contract   BYTEA,
  CONSTRAINT contract_runs_forward CHECK (until IS NULL OR since IS NOT NULL AND since <= until),
  CONSTRAINT opens_before_it_closes CHECK (opens < closes)
);
CREATE POLICY staff_add    ON suppliers FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));
CREATE POLICY staff_edit   ON suppliers FOR UPDATE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));
CREATE POLICY leads_remove ON suppliers FOR DELETE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author() AND s.lead));

CREATE TABLE products (
  id           UUID PRIMARY KEY,
  sku          VARCHAR(32) NOT NULL UNIQUE,
  name         TEXT NOT NULL,
  supplier_id  UUID REFERENCES suppliers (id) ON DELETE RESTRICT,
  cost         NUMERIC(12, 4) NOT NULL CHECK (cost >= 0),
  price        NUMERIC(12, 2) NOT NULL,
  reduced      NUMERIC(12, 2),
  tax          NUMERIC(4, 3) NOT NULL DEFAULT 0.200 CHECK (tax BETWEEN 0 AND 1),
  weight_kg    DOUBLE PRECISION CHECK (weight_kg > 0),
  pack_size    INTEGER NOT NULL DEFAULT 1 CHECK (pack_size > 0),
  attributes   JSONB,
  CONSTRAINT reduced_is_less CHECK (reduced < price),
  CONSTRAINT no_loss CHECK (coalesce(reduced, price) * 100 >= cost * 100)
);
CREATE POLICY staff_list   ON products FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));
CREATE POLICY staff_price  ON products FOR UPDATE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));
CREATE POLICY leads_delist ON products FOR DELETE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author() AND s.lead));

CREATE TABLE deliveries (
  id           UUID PRIMARY KEY,
  supplier_id  UUID NOT NULL REFERENCES suppliers (id) ON DELETE RESTRICT,
  ordered_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
  arrived_at   TIMESTAMPTZ,
  slot_from    TIMESTAMP NOT NULL,
  slot_to      TIMESTAMP NOT NULL,
  freight      NUMERIC(20, 2) NOT NULL DEFAULT 0.00 CHECK (freight >= 0),
  CONSTRAINT arrived_after_order CHECK (arrived_at >= ordered_at),
  CONSTRAINT slot_runs_forward CHECK (slot_from < slot_to)
);
CREATE POLICY staff_order  ON deliveries FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));
CREATE POLICY staff_amend  ON deliveries FOR UPDATE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));
CREATE POLICY leads_cancel ON deliveries FOR DELETE USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author() AND s.lead));

-- Stock is the sum of its movements, so tills never write the same row; a booking is corrected by another one.
CREATE TABLE movements (
  id           UUID PRIMARY KEY,
  product_id   UUID NOT NULL REFERENCES products (id) ON DELETE RESTRICT,
  delivery_id  UUID REFERENCES deliveries (id) ON DELETE CASCADE,
  booked_by    IDENTITY NOT NULL,
  quantity     BIGINT NOT NULL CHECK (quantity <> 0),
  unit_price   NUMERIC(12, 2),
  at           TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT sales_have_a_price CHECK (quantity > 0 OR unit_price IS NOT NULL)
);
REVOKE UPDATE (product_id, delivery_id, booked_by, quantity, unit_price, at) ON movements FROM PUBLIC;
CREATE POLICY staff_book ON movements FOR INSERT
  WITH CHECK (booked_by = author() AND EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));

CREATE POLICY leads_deploy ON treaty_schema FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM staff s WHERE s.who = author() AND s.lead));
CREATE POLICY staff_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM staff s WHERE s.who = author()));

INSERT INTO staff (who, name, lead) VALUES (author(), 'Founder', TRUE);
