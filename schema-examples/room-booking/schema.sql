-- Rooms that anybody of the house may book by the half hour. Whoever holds the key (room, day, slot) has the room:
-- of two bookings made at once, on two devices, one stands, everywhere the same.

CREATE TABLE residents (
  id       UUID PRIMARY KEY,
  who      IDENTITY NOT NULL UNIQUE,
  name     TEXT NOT NULL,
  steward  BOOLEAN NOT NULL DEFAULT FALSE
);
REVOKE UPDATE (who, steward) ON residents FROM PUBLIC;
CREATE POLICY stewards_admit  ON residents FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));
CREATE POLICY own_name        ON residents FOR UPDATE USING (who = author());
CREATE POLICY stewards_remove ON residents FOR DELETE
  USING (who = author() OR EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));

CREATE TABLE rooms (
  id     UUID PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE,
  seats  INTEGER NOT NULL CHECK (seats BETWEEN 1 AND 500),
  floor  INTEGER NOT NULL DEFAULT 0 CHECK (floor BETWEEN -3 AND 60)
);
CREATE POLICY stewards_open  ON rooms FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));
CREATE POLICY stewards_rename ON rooms FOR UPDATE
  USING (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));
CREATE POLICY stewards_close ON rooms FOR DELETE
  USING (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));

CREATE TABLE bookings (
  id         UUID PRIMARY KEY,
  room_id    UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
  day        DATE NOT NULL,
  slot       INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 47),
  holder     IDENTITY NOT NULL,
  purpose    TEXT NOT NULL DEFAULT '',
  guests     INTEGER NOT NULL DEFAULT 0 CHECK (guests >= 0),
  booked_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT one_booking_per_slot UNIQUE (room_id, day, slot)
);
REVOKE UPDATE (room_id, day, slot, holder, booked_at) ON bookings FROM PUBLIC;
CREATE POLICY residents_book ON bookings FOR INSERT
  WITH CHECK (holder = author() AND EXISTS (SELECT 1 FROM residents r WHERE r.who = author()));
CREATE POLICY holders_describe ON bookings FOR UPDATE USING (holder = author());
CREATE POLICY holders_release ON bookings FOR DELETE
  USING (holder = author() OR EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));

CREATE TABLE keys (
  id           UUID PRIMARY KEY,
  room_id      UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
  number       VARCHAR(12) NOT NULL,
  resident_id  UUID UNIQUE REFERENCES residents (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX keys_number ON keys (room_id, number);
CREATE POLICY stewards_cut  ON keys FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));
CREATE POLICY stewards_hand ON keys FOR UPDATE
  USING (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));
CREATE POLICY stewards_melt ON keys FOR DELETE
  USING (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));

CREATE POLICY stewards_deploy ON treaty_schema FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM residents r WHERE r.who = author() AND r.steward = TRUE));
CREATE POLICY residents_sync ON treaty_peers FOR SELECT
  USING (EXISTS (SELECT 1 FROM residents r WHERE r.who = author()));

INSERT INTO residents (who, name, steward) VALUES (author(), 'Steward', TRUE);
INSERT INTO rooms (name, seats) VALUES ('Library', 12), ('Workshop', 6);
