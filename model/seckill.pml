/*
 * The protocol of one SKU between the gate (Redis), the broker (RabbitMQ) and the store (MySQL), for SPIN to search. docs/model.md explains
 * it; Seckill.Tests/Model runs it.
 *
 * A Redis script is one step, and so is a MySQL transaction under the SKU's row lock, because each is atomic in reality. Between two steps
 * anything else may happen, and a process may die. A label named after a point of CrashPoint.cs, with '_' for '-', shows where that is.
 */

/* The parameters of an instance of the model. */
#ifndef ORDERS
#define ORDERS 2        /* tries at the gate, 2 or 3; each becomes at most one order */
#endif
#ifndef STOCK
#define STOCK 1         /* units at the start */
#endif
#ifndef LIMIT
#define LIMIT 1         /* units for one buyer */
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef LETTERS
#define LETTERS 0       /* orders that become dead letters */
#endif
#ifndef APIS
#define APIS 0          /* Apis that load the counter */
#endif
#ifndef ADDITIONS
#define ADDITIONS 0     /* units that an operator adds in the middle of the sale */
#endif
#ifndef LOSSES
#define LOSSES 0        /* times that Redis loses something */
#endif
#ifndef DEATHS
#define DEATHS 0        /* deaths in the middle of a load; elsewhere the number is not limited */
#endif
#define BUYERS 2
#define LOADS_MAX 6     /* no history needs more: one more is an error */

byte buyer[ORDERS];             /* the buyer of the try */
byte click[ORDERS];             /* two tries with one click are the same client_order_no, sent twice */
bool queue[ORDERS];             /* RabbitMQ: one message of this order or several, in the queue or not acked */
bool letter[ORDERS];            /* among the dead letters */

byte tries;                     /* so far; they are made in numerical order, since the model is the same for any order */
byte busy;                      /* processes in the middle of something */
byte loads;                     /* so far; the newest load's id */
byte added;
byte letters;
byte deaths;
byte losses;
bool accepted[ORDERS];
bool published_once[ORDERS];

/* Scratch variables within a step, 0 between steps. */
byte x;
byte y;
byte count;
bool found;
bool was_held;
inline tidy() {
    x = 0;
    y = 0;
    count = 0;
    found = false;
    was_held = false
}

#include "mysql.pml"
#include "redis.pml"
#include "promises.pml"
#include "route.pml"
#include "loads.pml"

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
