-- What Django's migrations make, as a schema file. Everybody may write everything: that is what an adopted application allows.
CREATE TABLE shop_author (id UUID PRIMARY KEY, name VARCHAR(120) NOT NULL, born DATE);
CREATE TABLE shop_book (
  id           UUID PRIMARY KEY,
  author_id    UUID NOT NULL REFERENCES shop_author (id),
  isbn         VARCHAR(20) NOT NULL UNIQUE,
  title        VARCHAR(80) NOT NULL,
  price        NUMERIC(8, 2) NOT NULL,
  stock        INTEGER NOT NULL,
  in_print     BOOLEAN NOT NULL,
  weight       DOUBLE PRECISION,
  added        TIMESTAMPTZ NOT NULL,
  cover        BYTEA,
  tags         JSONB NOT NULL
);
CREATE TABLE shop_order (id UUID PRIMARY KEY, customer TEXT NOT NULL, placed TIMESTAMPTZ NOT NULL, deliver_at TIME);
CREATE TABLE shop_line (
  id       UUID PRIMARY KEY,
  order_id UUID NOT NULL REFERENCES shop_order (id),
  book_id  UUID NOT NULL REFERENCES shop_book (id),
  quantity INTEGER NOT NULL CHECK (quantity >= 0),
  UNIQUE (order_id, book_id)
);
CREATE POLICY authors_come   ON shop_author FOR INSERT WITH CHECK (true);
CREATE POLICY authors_change ON shop_author FOR UPDATE USING (true);
CREATE POLICY authors_go     ON shop_author FOR DELETE USING (true);
CREATE POLICY books_come   ON shop_book FOR INSERT WITH CHECK (true);
CREATE POLICY books_change ON shop_book FOR UPDATE USING (true);
CREATE POLICY books_go     ON shop_book FOR DELETE USING (true);
CREATE POLICY orders_come   ON shop_order FOR INSERT WITH CHECK (true);
CREATE POLICY orders_change ON shop_order FOR UPDATE USING (true);
CREATE POLICY orders_go     ON shop_order FOR DELETE USING (true);
CREATE POLICY lines_come   ON shop_line FOR INSERT WITH CHECK (true);
CREATE POLICY lines_change ON shop_line FOR UPDATE USING (true);
CREATE POLICY lines_go     ON shop_line FOR DELETE USING (true);
CREATE POLICY shops_sync ON treaty_peers FOR SELECT USING (true);
