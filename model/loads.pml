/*
 * The counter: Redis loses something, a load sets it from MySQL, an operator adds units.
 */
#if APIS
#define is_only_outdated    (redis.load == outdated && is_open && redis.server == server)

#ifdef BUG_LOOKED_WITHOUT_LOCK
#define is_being_loaded     false
#else
#define is_being_loaded     (lock != 0 && redis.server == server && redis.epoch == epoch + 1)
#endif

/* Redis and MySQL do not have the same load, or it is unknown whether this server has all the data of the other. A load that MySQL has
   not committed yet looks like one that died: only the row lock distinguishes them. */
#define must_close  (is_open && (redis.server != server || !has_load(load, epoch)) && !is_being_loaded)
/* A different server with the same load may continue to sell until it is loaded. */
#define must_load   (!is_loaded && (!is_open || has_load(load, epoch)))

/* Maintains the counter: closes the gate and loads it when necessary; adds units for an operator. */
proctype Api(byte me) {
    byte outdated;              /* the load that an addition of units has outdated; 0 for none */
    byte seen_load;             /* the state that the load is decided on */
    byte seen_server;
    byte seen_counted;
    byte known_decided;         /* a bit for each order */
    byte loading_for;           /* MySQL's load, epoch and stock at that time */
    byte loading_epoch;
    short loading_stock;
    byte new_load;
    byte new_epoch;

    do
    :: atomic { must_close -> busy++; printf("api %d: the gate must be closed\n", me) };
closes:
        atomic {
            close(); printf("api %d: close.lua\n", me);
gate_closed:
            goto ends       /* the next check finds it closed */
        }
#if ADDITIONS
    :: d_step {
        added < ADDITIONS && lock == 0 -> busy++; outdated = load; add_unit();
        printf("api %d: a unit more: stock %d, epoch %d\n", me, stock, epoch)
    };
sale_changed:
        if
        :: atomic { is_only_outdated && is_unlocked -> goto locked }
        :: !is_only_outdated && redis.known -> goto closes
        :: goto ends        /* dies, or Redis has lost everything */
        fi
#endif
    :: atomic {
        must_load && is_unlocked -> busy++;
locked:
        lock = locked_by(me);
        d_step {
            loading_for = load; loading_epoch = epoch; loading_stock = stock;
            snapshot();
            if
            :: outdated != 0 && is_only_outdated        /* Redis has lost no buyer */
#ifdef BUG_BUYERS_NOT_RESTORED
            :: else
#else
            :: else -> restore()
#endif
            fi;
            seen_counted = redis.counted;
            tidy(); printf("api %d: row locked, stock %d, epoch %d; snapshot.lua, restore.lua\n", me, stock, epoch)
        }
    };
buyers_restored:
        atomic {
            if
            :: deaths < DEATHS -> deaths++; lock = 0; printf("api %d: dies, warm.lua may be on its way\n", me); goto late
            :: skip
            fi;
            d_step { warm(me); printf("api %d: warm.lua: stock %d, held %d, epoch %d\n", me, redis.stock, redis.held, redis.epoch) };
            if
            :: count == 1 -> d_step { tidy() }
            :: else -> d_step { tidy() }; goto ends
            fi
        };
stock_loaded:
        atomic {
            if
            :: d_step { load = new_load; epoch = new_epoch; printf("api %d: the load is in MySQL\n", me) }
            :: deaths < DEATHS -> deaths++; printf("api %d: dies\n", me)
            fi;
            goto ends
        };
late:
        atomic {
            if
            :: d_step { warm(me); tidy(); printf("redis: the late warm.lua: stock %d, epoch %d\n", redis.stock, redis.epoch) }
            :: skip
            fi;
ends:
            lock = (lock == me -> 0 : lock);
            outdated = 0; seen_load = 0; seen_server = 0; seen_counted = 0; known_decided = 0;
            loading_for = 0; loading_epoch = 0; loading_stock = 0; new_load = 0; new_epoch = 0;
            busy--
        }
    od
}
#endif

#if LOSSES
Ledger replica;
bool replicated;

inline forget(ledger) {
    ledger.known = false;
    ledger.closed = false;
    ledger.load = 0;
    ledger.epoch = 0;
    ledger.server = 0;
    ledger.stock = 0;
    ledger.held = 0;
    for (x : 0 .. ORDERS - 1) {
        ledger.order[x] = 0;
        ledger.order_epoch[x] = 0;
        ledger.outbox[x] = 0
    }
    for (x : 0 .. BUYERS - 1) {
        ledger.units[x] = 0
    }
    ledger.counted = 0
}

inline copy(to, from) {
    to.known = from.known;
    to.closed = from.closed;
    to.load = from.load;
    to.epoch = from.epoch;
    to.server = from.server;
    to.stock = from.stock;
    to.held = from.held;
    for (x : 0 .. ORDERS - 1) {
        to.order[x] = from.order[x];
        to.order_epoch[x] = from.order_epoch[x];
        to.outbox[x] = from.outbox[x]
    }
    for (x : 0 .. BUYERS - 1) {
        to.units[x] = from.units[x]
    }
    to.counted = from.counted
}

/* Redis loses its data, or another server takes over that has all of it, or all of it up to some earlier moment. */
proctype Redis() {
    do
    :: d_step { losses < LOSSES -> losses++; forget(redis); tidy(); printf("redis: everything is lost\n") }
    :: d_step { losses < LOSSES -> losses++; server++; printf("redis: another server with the same data\n") }
    :: d_step { losses < LOSSES && !replicated -> replicated = true; copy(replica, redis); tidy(); printf("redis: this is replicated\n") }
    :: d_step {
        losses < LOSSES && replicated -> losses++; replicated = false; server++; copy(redis, replica); forget(replica);
        tidy(); printf("redis: the replica takes over: stock %d, epoch %d\n", redis.stock, redis.epoch)
    }
    od
}
#endif
