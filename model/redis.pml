/*
 * Redis's data for the SKU, and the scripts of Seckill.Ordering/Ledger: each inline is the script of that name. A script
 * is one step here, as it is in Redis. Every order is for one unit.
 */
mtype = { Pending, Success, Failed };                       /* OrderState; 0: no record */
mtype = { Accepted, Duplicate, SoldOut, LimitReached };     /* ReserveCode */
mtype = { Unconfirmed, Confirmed };                         /* in the outbox; 0: not there */

typedef Ledger {
    bool known;                     /* counter and sale are there */
    bool closed;
    byte load;                      /* id of the load that set the counter */
    byte epoch;                     /* its number */
    byte server;                    /* the server that it was sent to */
    short stock;
    byte held;
    mtype order[ORDERS];
    byte order_epoch[ORDERS];       /* the counter that a pending one was deducted from */
    mtype outbox[ORDERS];
    byte units[BUYERS];
    byte counted;                   /* orders that MySQL wrote up to this epoch are in the units, because a load has restored them */
};
Ledger redis;
byte server = 1;                    /* the one that answers */

#define is_open     (redis.known && !redis.closed)

inline reserve(id, reply) {
    found = false;
    for (x : 0 .. ORDERS - 1) {
        found = found || (click[x] == click[id] && redis.order[x] != 0)
    }
#ifdef BUG_DUPLICATE_DEDUCTS
    redis.stock = redis.stock - (found -> 1 : 0);
#endif
    if
    :: found -> reply = Duplicate
    :: !found && redis.units[buyer[id]] + 1 > LIMIT -> reply = LimitReached
    :: !found && redis.units[buyer[id]] + 1 <= LIMIT && redis.stock < 1 -> reply = SoldOut
    :: else ->
        reply = Accepted;
        redis.stock--;
        redis.held++;
        redis.units[buyer[id]]++;
        redis.order[id] = Pending;
        redis.order_epoch[id] = redis.epoch;
        accepted[id] = true;
#ifndef BUG_NO_OUTBOX
        redis.outbox[id] = Unconfirmed
#endif
    fi
}

/* Whether the order is to be republished. While a copy is in the queue, another one would change nothing. */
#define due(id)     (redis.outbox[id] == Unconfirmed && !queue[id])

#ifdef BUG_EPOCHS_IGNORED
#define is_of_this_counter(id)  true
#else
#define is_of_this_counter(id)  (redis.order_epoch[id] == redis.epoch)
#endif

/* Whether an order without a record is new to the buyer's units. */
#ifdef BUG_COUNTED_BY_EPOCH
#define is_counted_now(committed_epoch) (committed_epoch == redis.epoch)
#else
#define is_counted_now(committed_epoch) (committed_epoch > redis.counted)
#endif

inline settle(id, success, deducted, committed_epoch) {
    if
#ifndef BUG_SETTLED_TWICE
    :: redis.order[id] == Success || redis.order[id] == Failed          /* AlreadySettled */
#endif
    :: redis.order[id] == 0 && !redis.known                             /* Forgotten */
    :: else ->                                                          /* Settled */
        was_held = redis.known && redis.order[id] != 0 && is_of_this_counter(id);
        redis.held = redis.held - (was_held && redis.held > 0 -> 1 : 0);
        if
        :: deducted && redis.known && committed_epoch == redis.epoch && !was_held -> redis.stock--
#ifndef BUG_FAILED_KEEPS_STOCK
        :: !deducted && was_held -> redis.stock++
#endif
        :: else
        fi;
        if
        :: redis.order[id] != 0 && !deducted && redis.units[buyer[id]] > 0 -> redis.units[buyer[id]]--
        :: redis.order[id] == 0 && deducted && is_counted_now(committed_epoch) -> redis.units[buyer[id]]++
        :: else
        fi;
        redis.order[id] = (success -> Success : Failed)
    fi;
    redis.outbox[id] = 0
}

inline close() {
    redis.closed = redis.known
}

/* The unsettled orders that MySQL has decided, and the counter and server for which this is true. */
inline snapshot() {
    seen_load = redis.load;
    seen_server = server;
    known_decided = 0;
    for (x : 0 .. ORDERS - 1) {
        known_decided = known_decided | (redis.outbox[x] != 0 && is_decided(x) -> 1 << x : 0)
    }
}

/* The units of each buyer: in MySQL, and in reservations that MySQL has no row for. With an open gate they are never lowered. */
inline restore() {
    for (y : 0 .. BUYERS - 1) {
        count = 0;
        for (x : 0 .. ORDERS - 1) {
            count = count + (buyer[x] == y && (rows[x] > 0 || redis.order[x] == Pending) -> 1 : 0)
        }
#ifdef BUG_KNOWN_BUYERS_LEFT_ALONE
        redis.units[y] = (redis.units[y] == 0 -> count : redis.units[y])
#else
        redis.units[y] = (is_open && redis.units[y] > count -> redis.units[y] : count)
#endif
    }
    redis.counted = epoch
}

/* A load applies only to the state that it was decided on: a call may arrive late, and Redis may have lost something since. */
#ifdef BUG_WARM_ON_ANOTHER_SERVER
#define is_as_seen  (redis.load == seen_load)
#else
#define is_as_seen  (redis.load == seen_load && server == seen_server && redis.counted == seen_counted)
#endif

/* count: 1 loaded, 0 running, 2 refused */
inline warm(me) {
    if
    :: !is_as_seen -> count = 2
    :: else ->
        if
        :: is_open && has_load(loading_for, loading_epoch) && redis.server == server -> count = 0
        :: else ->
            loads++;
            assert(loads <= LOADS_MAX);
            new_load = loads;
            new_epoch = (redis.epoch > loading_epoch -> redis.epoch : loading_epoch) + 1;
            redis.held = 0;
            for (x : 0 .. ORDERS - 1) {
                if
                :: redis.outbox[x] != 0 && redis.order[x] == Pending && !(known_decided & (1 << x)) ->
#ifndef BUG_LOAD_IGNORES_HELD
                    redis.held++;
#endif
                    redis.order_epoch[x] = new_epoch
                :: else
                fi
            }
            redis.stock = loading_stock - redis.held;
            redis.known = true;
            redis.closed = false;
            redis.load = new_load;
            redis.epoch = new_epoch;
            redis.server = server;
            count = 1
        fi
    fi
}
