-- Of two claims of a key one is rolled back: nothing that stands is withheld from its table any more.
DROP TABLE treaty.withheld;
