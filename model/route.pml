/*
 * The route of an order: gate, outbox, queue, worker, and the repair after the death of any of them.
 */
#if ORDERS == 2
#define choose(id, from)    if :: from[0] -> id = 0 :: from[1] -> id = 1 fi
#else
#define choose(id, from)    if :: from[0] -> id = 0 :: from[1] -> id = 1 :: from[2] -> id = 2 fi
#endif

inline publish(id) {
    queue[id] = true;
    published_once[id] = true
}

/* The outbox notes that the broker has the order, if it is still there. */
inline confirm(id) {
#ifdef BUG_CONFIRMED_IS_DONE
    redis.outbox[id] = 0
#else
    redis.outbox[id] = (redis.outbox[id] == Unconfirmed -> Confirmed : redis.outbox[id])
#endif
}

/* A click at the gate, and its way into the queue. While the gate is closed, the click is retried. */
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
            skip        /* Outbox marks it, or nothing does */
        :: skip         /* dies, or the broker is away */
        fi;
ends:
        busy--
    }
}

/* Any Api republishes an unconfirmed order and notes a confirm, whichever process published it: at some time, or never. */
proctype Outbox(byte id) {
    do
    :: d_step {
        due(id) ->
swept:
        publish(id);
#ifdef BUG_SWEPT_WITH_NEW_ID
        renamed[id] = true;
#endif
        printf("sweeper: order %d is published\n", id)
    }
    :: d_step {
        redis.outbox[id] == Unconfirmed && published_once[id] -> confirm(id);
outbox_marked:
        printf("outbox: order %d is confirmed\n", id)
    }
    od
}

/* A message stays in the queue until it is acked. A death before COMMIT changes nothing, since MySQL rolls back; a death after it, or
   before the ack, leaves the message for another worker. */
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

/* Finds orders that are unsettled for too long, and either settles them with MySQL's verdict or has them republished. */
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
/* An operator replays or abandons a dead letter. */
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
