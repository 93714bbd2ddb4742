/*
 * The promises. A broken promise ends the search, and the path to it is the history that breaks it.
 */
#if ORDERS == 2
#define sum(f)          (f(0) + f(1))
#define all(f)          (f(0) && f(1))
#define rows_of(f, a)   (f(a, 0) + f(a, 1))
#else
#define sum(f)          (f(0) + f(1) + f(2))
#define all(f)          (f(0) && f(1) && f(2))
#define rows_of(f, a)   (f(a, 0) + f(a, 1) + f(a, 2))
#endif

#define row(id)                     rows[id]
#define row_of_buyer(user, id)      (buyer[id] == user -> rows[id] : 0)
#define row_of_click(order, id)     (click[id] == click[order] -> rows[id] : 0)
#define bought(user)                rows_of(row_of_buyer, user)
#define written(id)                 rows_of(row_of_click, id)           /* rows of the order's click, whatever their id */

#define is_once(id)     (written(id) <= 1)
#define is_true(id)     ((redis.order[id] != Success || written(id) == 1) && (redis.order[id] != Failed || rows[id] == 0))

/* The counter's difference from MySQL for this order: 1 unit less while it is held and not written, 1 more (-1) while it is written and was
   not deducted from this counter. */
#define ahead(id)       (redis.order[id] == Pending && redis.order_epoch[id] == redis.epoch \
    -> (rows[id] > 0 -> 0 : 1) \
    : (rows[id] > 0 && redis.order[id] != Success && row_epoch[id] == redis.epoch -> -1 : 0))

/* Nothing is visibly under way. */
#define is_settled(id)  (!queue[id] && !letter[id] && redis.outbox[id] == 0)
#define is_quiet        (busy == 0 && all(is_settled) && is_loaded)

/* By Redis, or by MySQL if Redis has lost it. Not promised: an order that Redis lost before it was published is recorded nowhere. */
#define is_answered(id) (!accepted[id] || redis.order[id] == Success || redis.order[id] == Failed \
    || (redis.order[id] == 0 && (written(id) == 1 || rejection[id] || !published_once[id])))

proctype Promises() {
    do
    :: sum(row) > STOCK + added || stock < 0 -> printf("BROKEN: no oversell\n"); assert(false)
    :: stock + sum(row) != STOCK + added -> printf("BROKEN: no leak: MySQL has what was put on sale\n"); assert(false)
    :: !all(is_once) -> printf("BROKEN: one click, one order\n"); assert(false)
    :: !all(is_true) -> printf("BROKEN: the answer is what MySQL has\n"); assert(false)
    :: bought(0) > LIMIT || bought(1) > LIMIT -> printf("BROKEN: the limit of each buyer\n"); assert(false)
    :: is_loaded && lock == 0 && redis.stock + sum(ahead) != stock ->
        printf("BROKEN: the books balance at any moment\n"); assert(false)
    :: is_quiet && redis.stock < stock -> printf("BROKEN: no unit asleep\n"); assert(false)
    :: is_quiet && redis.stock > stock -> printf("BROKEN: no leak: Redis offers what MySQL has\n"); assert(false)
    :: is_quiet && redis.held != 0 -> printf("BROKEN: nothing is held that is settled\n"); assert(false)
    :: is_quiet && !all(is_answered) -> printf("BROKEN: no lost answer\n"); assert(false)
    :: is_quiet && (redis.units[0] != bought(0) || redis.units[1] != bought(1)) ->
        printf("BROKEN: a buyer may buy what the limit leaves\n"); assert(false)
    :: is_quiet     /* and stays so: any other process that cannot continue is stuck, which SPIN reports as an invalid end state */
    od
}
