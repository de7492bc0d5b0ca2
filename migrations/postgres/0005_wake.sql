-- Whether the sidecar sleeps is an advisory lock now, which no snapshot is too old for (treaty.tell). The trigger asks for it
-- by a function that is replaced after this: until then there is none, or writers would ask for a table that is gone.
DROP TRIGGER IF EXISTS treaty_tell ON treaty.queue;
DROP TABLE treaty.wake;
