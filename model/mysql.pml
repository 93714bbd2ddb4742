/*
 * MySQL's data for the SKU and its orders. An inline is one transaction. It waits for the SKU's row lock, so it
 * is one step.
 */
mtype = { Rejected, WrittenBefore, RejectedBefore, DuplicateClick };    /* VerdictKind, as is Accepted */

short stock = STOCK;
byte load;                          /* the valid load according to MySQL */
byte epoch;                         /* its number */
byte lock;                          /* the Api that keeps the SKU's row locked for longer than a step; 0 for none */
byte rows[ORDERS];                  /* rows of the order: 1 when it is written */
byte row_epoch[ORDERS];             /* the epoch that it was written in */
bool rejection[ORDERS];

#ifdef BUG_LOAD_WITHOUT_LOCK
#define is_unlocked     true
#define locked_by(api)  0
#else
#define is_unlocked     (lock == 0)
#define locked_by(api)  api
#endif
#ifdef BUG_SWEPT_WITH_NEW_ID
bool renamed[ORDERS];
#define is_written(id)  (rows[id] > 0 && !renamed[id])
#else
#define is_written(id)  (rows[id] > 0)
#endif
#define is_decided(id)  (is_written(id) || rejection[id])

/* Whether Redis has this load. */
#ifdef BUG_EPOCH_NUMBERS_ONLY
#define has_load(an_id, a_number)   (redis.epoch == a_number)
#else
#define has_load(an_id, a_number)   (redis.load == an_id)
#endif
#ifdef BUG_SERVER_NOT_ASKED
#define is_same_server  true
#else
#define is_same_server  (redis.server == server)
#endif
#define is_loaded   (is_open && is_same_server && has_load(load, epoch))

/* Whether the click of an order already has a row under another id. */
inline find_first(id) {
    found = false;
    for (x : 0 .. ORDERS - 1) {
        found = found || (x != id && click[x] == click[id] && rows[x] > 0)
    }
}

/* count: units in the live orders of a buyer */
inline count_bought(user) {
    count = 0;
    for (x : 0 .. ORDERS - 1) {
        count = count + (buyer[x] == user -> rows[x] : 0)
    }
}

#ifdef BUG_LIMIT_AT_GATE_ONLY
#define is_over(units)  false
#else
#define is_over(units)  (units > LIMIT)
#endif

#ifdef BUG_EPOCH_READ_BEFORE_LOCK
#define epoch_of_row    committed_epoch
#else
#define epoch_of_row    epoch
#endif

/* The worker's transaction for one order. */
inline write(id, verdict) {
    find_first(id);
#ifdef BUG_CLICK_NOT_UNIQUE
    found = false;
#endif
    count_bought(buyer[id]);
    if
#ifndef BUG_NO_PRIMARY_KEY
    :: is_written(id) -> verdict = WrittenBefore
#endif
#ifndef BUG_REJECTION_FORGOTTEN
    :: rejection[id] -> verdict = RejectedBefore
#endif
    :: !is_decided(id) && found -> verdict = DuplicateClick
    :: !is_decided(id) && !found && (stock < 1 || is_over(count + 1)) ->
        verdict = Rejected;
        rejection[id] = true
    :: else ->
        verdict = Accepted;
        rows[id]++;
        row_epoch[id] = epoch_of_row;
        stock--
    fi
}

/* An operator abandons a dead letter's order; a written one stays. */
inline reject(id) {
    rejection[id] = rejection[id] || rows[id] == 0
}

/* An operator adds a unit: the counter in Redis is outdated from then on. */
inline add_unit() {
    stock++;
    added++;
#ifdef BUG_ADDED_OVER_RUNNING_COUNTER
    redis.stock = stock
#else
    epoch++;
    loads++;
    load = loads
#endif
}
