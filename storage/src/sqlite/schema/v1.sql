CREATE TABLE store (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    documents INTEGER NOT NULL
) STRICT;

INSERT INTO store (id, documents) VALUES (1, 0);

CREATE TABLE documents (
    id     INTEGER PRIMARY KEY,
    name   TEXT    NOT NULL UNIQUE,
    family TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    epoch  BLOB    NOT NULL,
    head   INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    notes  INTEGER NOT NULL,
    sum    INTEGER NOT NULL
) STRICT;

CREATE TABLE entries (
    doc        INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    digest     INTEGER NOT NULL,
    entry      BLOB    NOT NULL,
    operations BLOB,
    sum        INTEGER NOT NULL,
    PRIMARY KEY (doc, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    doc      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    digest   INTEGER NOT NULL,
    covers   BLOB    NOT NULL,
    bytes    INTEGER NOT NULL,
    sum      INTEGER NOT NULL,
    PRIMARY KEY (doc, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_parts (
    doc      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    state    BLOB    NOT NULL,
    PRIMARY KEY (doc, position, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE peers (
    doc      INTEGER NOT NULL,
    epoch    BLOB    NOT NULL,
    position INTEGER NOT NULL,
    digest   INTEGER NOT NULL,
    relay    INTEGER NOT NULL,
    acked    INTEGER NOT NULL,
    covered  INTEGER NOT NULL,
    sum      INTEGER NOT NULL,
    PRIMARY KEY (doc, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE fences (
    doc     INTEGER NOT NULL,
    replica BLOB    NOT NULL,
    counter INTEGER NOT NULL,
    blame   INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (doc, replica)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    doc     INTEGER NOT NULL,
    replica BLOB    NOT NULL,
    counter INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (doc, replica, counter)
) STRICT, WITHOUT ROWID;
