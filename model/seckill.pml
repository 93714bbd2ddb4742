/*
 * The protocol of one SKU between the gate (Redis), the broker (RabbitMQ) and the store (MySQL); docs/model.md explains it.
 *
 * A script of Redis is one step, and so is a transaction of MySQL under the SKU's row lock, because they are in reality. Between two steps
 * anything else may happen, and a process may die: `dies` goes there. A label is a point of CrashPoint.cs, with '_' for '-'.
 */

/* What an instance of the model has; Seckill.Tests/Model says so with -D. */
#ifndef ORDERS
#define ORDERS 2        /* tries at the gate; each becomes one order at most */
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef APIS
#define APIS 0          /* Apis that load counters; 0: the counter never needs it */
#endif
#ifndef ADDITIONS
#define ADDITIONS 0     /* units that an operator adds in the middle of the sale */
#endif
#ifndef LETTERS
#define LETTERS 0       /* orders that become dead letters */
#endif
#ifndef LOSSES
#define LOSSES 0        /* times that Redis loses something */
#endif
#ifndef DEATHS
#define DEATHS 0        /* loads that die; everybody else may die as often as he likes */
#endif
#ifndef STOCK
#define STOCK 1
#endif
/* ONE_BUYER: all tries are clicks of one buyer; else of two, and a click may be tried again. */
#ifndef LIMIT
#define LIMIT 1         /* units for one buyer */
#endif
#ifndef LOADS_MAX
#define LOADS_MAX 12
#endif
#define BUYERS 2

byte buyer[ORDERS];             /* whose try it is */
byte click[ORDERS];             /* two tries with one click are the same client_order_no, sent twice */
bool queue[ORDERS];             /* in RabbitMQ: a message of this order, or several, in the queue or not acked */
bool letter[ORDERS];            /* among the dead letters */

byte tries;                     /* so far; they are made in the order of their numbers, since an id says nothing else */
byte busy;                      /* who is in the middle of something */
byte added;
byte loads;                     /* so far; its last value is the newest load's id */
byte letters;
byte deaths;
byte losses;
bool accepted[ORDERS];
bool published_once[ORDERS];

/* Scratch of a step, 0 between steps. */
byte x; byte y; byte count; bool found; bool was_held;
inline tidy() { x = 0; y = 0; count = 0; found = 0; was_held = 0 }

#if ORDERS == 2
#define choose(id, from)    if :: from[0] -> id = 0 :: from[1] -> id = 1 fi
#else
#define choose(id, from)    if :: from[0] -> id = 0 :: from[1] -> id = 1 :: from[2] -> id = 2 fi
#endif

#include "mysql.pml"
#include "redis.pml"
#include "promises.pml"

inline publish(id) { queue[id] = true; published_once[id] = true }

/* A click at the gate, and its way into the queue. While the gate is closed, it asks again. */
proctype Gate(byte id) {
    mtype reply;
    atomic {
        tries == id && is_open ->
        tries++;
        busy++;
        d_step { reserve(id, reply); tidy() };
        printf("gate: order %d of buyer %d, click %d: reserve.lua says %e\n", id, buyer[id], click[id], reply);
        if
        :: reply == Accepted -> reply = 0
        :: else -> reply = 0; goto ends
        fi
    };
reserved:
    atomic {
        if
        :: d_step { publish(id); printf("gate: order %d is published\n", id) };
published:
confirmed:
            skip        /* The outbox is marked below, or never. */
        :: skip         /* dies */
        fi;
ends:
        busy--
    }
}

/* Any Api publishes again what has no confirm, and notes what the broker has confirmed, whoever published it: at some time, or never. */
proctype Outbox(byte id) {
    do
    :: d_step {
        due(id) -> publish(id);
#ifdef BUG_SWEPT_WITH_NEW_ID
        renamed[id] = true;
#endif
        printf("sweeper: order %d is published\n", id)
    }
    :: d_step { redis.outbox[id] == Unconfirmed && published_once[id] -> confirm(id); printf("outbox: order %d is confirmed\n", id) }
    od
}

/* A message stays in the queue until it is acked. Dying before COMMIT changes nothing, since MySQL rolls back; dying after it leaves the
   message for another worker, and so does dying before the ack. */
proctype Worker() {
    byte id;
    byte committed_epoch;
    mtype verdict;
    do
    :: atomic {
        choose(id, queue);
        busy++;
received:
#ifdef BUG_EPOCH_READ_BEFORE_LOCK
        committed_epoch = epoch
    };
    atomic {
#endif
#ifdef BUG_ACK_BEFORE_COMMIT
        queue[id] = false;
#endif
        if
        :: d_step {
            lock == 0 -> write(id, verdict);
written:
            committed_epoch = row_epoch[id]; tidy();
            printf("worker: order %d is %e, epoch %d\n", id, verdict, committed_epoch)
        }
#ifdef BUG_ACK_BEFORE_COMMIT
        :: goto dies
#endif
#if LETTERS
        :: d_step {
            letters < LETTERS && !letter[id] -> letters++; letter[id] = true; printf("worker: order %d is a dead letter\n", id)
        };
dead_lettered:
            goto acks
#endif
        fi
    };
committed:
        atomic {
            if
#ifdef BUG_SWEPT_WITH_NEW_ID
            :: renamed[id]      /* another order is settled */
#endif
            :: d_step {
                settle(id, (verdict == Accepted || verdict == WrittenBefore || verdict == DuplicateClick),
                    (verdict == Accepted || verdict == WrittenBefore), committed_epoch);
                tidy(); printf("worker: settle.lua makes order %d %e\n", id, redis.order[id])
            }
            :: goto dies
            fi;
settled:
acks:
            if
            :: d_step { queue[id] = false; printf("worker: order %d is acked\n", id) }
            :: skip
            fi;
acked:
dies:
            busy--; id = 0; committed_epoch = 0; verdict = 0
        }
    od
}

/* Finds out what is unsettled for too long, and either tells Redis what MySQL has decided or has the order published again. */
proctype Reconciler(byte id) {
    do
    :: d_step {
        redis.outbox[id] != 0 && is_decided(id) -> settle(id, rows[id] > 0, rows[id] > 0, row_epoch[id]);
        tidy(); printf("reconciler: settle.lua makes order %d %e\n", id, redis.order[id])
    }
    :: d_step {
        redis.outbox[id] == Confirmed && !is_decided(id) && !queue[id] && !letter[id] -> redis.outbox[id] = Unconfirmed;
        printf("reconciler: order %d is lost, and published again\n", id)
    }
    od
}

#if LETTERS
/* An operator replays a dead letter or gives it up. */
proctype Operator(byte id) {
    do
    :: d_step { letter[id] -> publish(id); printf("operator: letter %d is replayed\n", id) };
replayed:
        letter[id] = false
    :: d_step { letter[id] && lock == 0 && rows[id] == 0 -> reject(id); busy++; printf("operator: order %d is given up\n", id) };
rejection_written:
        if
        :: d_step { settle(id, false, false, 0); tidy(); printf("operator: settle.lua makes order %d %e\n", id, redis.order[id]) }
        :: goto dies
        fi;
abandon_settled:
        if
        :: letter[id] = false
        :: goto dies
        fi;
dies:
        busy--
    od
}
#endif

#if APIS
#define is_only_outdated    (redis.load == outdated && is_open && redis.server == server)

#ifdef BUG_LOOKED_WITHOUT_LOCK
#define is_being_loaded     false
#else
#define is_being_loaded     (lock != 0 && redis.server == server && redis.epoch == epoch + 1)
#endif

/* Redis and MySQL do not have the same load, or nobody knows whether this server has all that it had. A load that Redis has and MySQL has not
   committed yet looks like one that died: the row lock tells. */
#define must_close  (redis.known && !redis.closed && (redis.server != server || !has_load(load, epoch)) \
    && !is_being_loaded)
/* Another server with the same load goes on selling meanwhile. */
#define must_load   (!is_loaded && (!is_open || has_load(load, epoch)))

/* Looks after the counter: closes the gate and loads it when it must be; adds units when an operator says so. */
proctype Api(byte me) {
    byte outdated;              /* the load that adding units has outdated; 0 for none */
    byte seen_load;             /* what the load is decided on */
    byte seen_server;
    byte seen_counted;
    byte known_decided;         /* a bit for each order */
    byte loading_for;
    byte loading_epoch;
    short loading_stock;
    byte new_load;
    byte new_epoch;

    do
    :: atomic { must_close -> busy++; printf("api %d: the gate must be closed\n", me) };
closes:
        atomic { close(); printf("api %d: close.lua\n", me); goto ends };
gate_closed:
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
            :: outdated != 0 && is_only_outdated        /* Redis has forgotten nobody */
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
            outdated = 0; seen_load = 0; seen_server = 0; seen_counted = 0; known_decided = 0; loading_for = 0; loading_epoch = 0; loading_stock = 0;
            new_load = 0; new_epoch = 0; busy--
        }
    od
}
#endif

#if LOSSES
Ledger replica;
bool replicated;

/* Redis loses its data, or a server takes over that has all of it, or what had come there until some moment before. */
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

init {
    atomic {
#ifdef ONE_BUYER
        for (x : 0 .. ORDERS - 1) {
            click[x] = x
        }
        tidy();
#else
        /* Another buyer, the same buyer again, the same click again. */
        if
        :: buyer[1] = 1; click[1] = 1
        :: buyer[1] = 0; click[1] = 1
        :: buyer[1] = 0; click[1] = 0
        fi;
#if ORDERS > 2
        if
        :: buyer[2] = 1; click[2] = 2
        :: buyer[2] = 0; click[2] = 2
        :: buyer[2] = buyer[1]; click[2] = click[1]
        fi;
#endif
#endif
        d_step {
            loads = 1; load = 1; epoch = 1;
            redis.known = true; redis.load = 1; redis.epoch = 1; redis.server = server; redis.stock = STOCK
        };
        printf("%d units; order 1 of buyer %d, click %d\n", STOCK, buyer[1], click[1]);
        for (x : 0 .. ORDERS - 1) {
            run Gate(x);
            run Outbox(x);
            run Reconciler(x)
#if LETTERS
            ;
            run Operator(x)
#endif
        }
        for (x : 1 .. WORKERS) {
            run Worker()
        }
#if APIS
        for (x : 1 .. APIS) {
            run Api(x)
        }
#endif
#if LOSSES
        run Redis();
#endif
        run Promises();
        tidy()
    }
}
