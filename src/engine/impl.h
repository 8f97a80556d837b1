/* In: engine.h's promises. Out: the structs and calls that the engine's files share; nothing
 * outside src/engine reads this. The path of a job through the files:
 * claim.c -> run.c (step by step: pace.c, call.c, report.c, ledger.c) -> finish.c; lease.c
 * watches. */
#ifndef ENGINE_IMPL_H
#define ENGINE_IMPL_H

#include "base/buf.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "job/script.h"

#define ENGINE_TEXT_MAX       ((size_t)1 << 20) /* bytes of one model answer */
#define ENGINE_STORE_RETRY_US (250 * USEC_PER_MSEC)
#define ENGINE_PARK_US        (60 * USEC_PER_SEC) /* before a refused key or limit is tried again */

/* ---- one model call of a run ---- */

enum call_stage {
    STAGE_NONE,
    STAGE_PACING,    /* in engine.pacing, until the pacer admits it */
    STAGE_INTENT,    /* the ledger row is being written; nothing was sent */
    STAGE_STREAMING, /* the provider answers */
    STAGE_BACKOFF,   /* waiting before the next try */
    STAGE_MAX
};

struct call {
    enum call_stage stage;
    struct run *prev, *next; /* in engine.pacing */
    int64_t ask_at_us;       /* PACING: not before */
    struct loop_timer timer; /* BACKOFF, and store trouble in INTENT */
    struct uuid id;          /* of the ledger row of this try */
    const struct model *model;
    struct provider_call *provider;
    uint64_t ticket;
    int tries, overloads;    /* failed so far, of this script_call: by itself, with many others */
    int64_t started_us;      /* wall */
    int64_t sent_us;         /* loop clock */
    int64_t streaming_us;    /* loop clock of the first read of text ... */
    size_t first_len;        /* ... and the bytes that it brought */
    int64_t untaught_input;  /* tokens of the prompt, before what calls have taught ... */
    int64_t estimated_input; /* ... and with it */
    struct usage usage;      /* as told at the start */
    struct buf text;
    size_t sent; /* bytes of text given to the store */
    int words;
    bool in_word, wide_half; /* half a word: one character of a script without blanks */
    /* What the provider has told of this try. */
    char served_model[96], request_id[96], error[256];
    bool salvaged; /* the last call was cut, and its text saved: `trouble` is yet to be obeyed */
    struct trouble {
        enum call_class class;
        int64_t retry_after_us;
        int should_retry;
    } trouble;
};

/* ---- one claimed job ---- */

enum run_stage {
    RUN_LOADING,   /* checkpoints are being read */
    RUN_CALLING,   /* call.stage says more */
    RUN_SAVING,    /* a checkpoint is being written */
    RUN_FINISHING, /* in engine.finishing, or its batch is under way */
    RUN_GONE,      /* over; freed when its last store request has answered */
    RUN_STAGE_MAX
};

struct run {
    struct run *prev, *next; /* in engine.runs */
    struct engine *engine;
    struct uuid id, user_id;
    char name[UUID_TEXT_SIZE];
    struct store_held held;
    int run, attempts, max_retries;
    int64_t waited_us, claimed_us; /* claimed_us: loop clock */
    int64_t created_us;            /* wall */
    int64_t deadline_us, max_cost_udollar;
    enum run_stage stage;
    int ops;    /* store requests that will still call back with this run */
    bool alone; /* its end is written by itself: one in its batch could not be committed */
    char *params, *overlay;          /* kept until the script machine has them; may be NULL */
    const struct pipeline *pipeline; /* that it is made by; NULL until that is known */
    struct version *version;         /* its hold on it, or NULL */
    int wanted_version;
    struct loop_timer deadline;
    struct loop_timer store_retry; /* LOADING, SAVING, FINISHING: repeats what failed */

    struct script *script;
    struct script_call want; /* what script_next() asked for */
    struct call call;
    struct usage usage; /* of its finished calls, reused ones too */
    int words;          /* of finished steps of this attempt */
    int64_t cost_udollar;

    /* A checkpoint being written: kept to repeat it after store trouble. */
    struct script_answer answer;
    struct store_call_end call_end;
    bool has_call_end;

    /* What the users' row should show. */
    enum phase phase;
    int chunk, chunks, progress, shown_progress;
    int64_t row_written_us; /* loop clock */
    bool row_dirty;
    struct run *dirty_prev, *dirty_next; /* in engine.dirty */
    bool in_dirty;

    struct batch *batch; /* that it was claimed for, or NULL */
    size_t batch_at;     /* its place there */

    /* How it ended. */
    enum store_outcome outcome;
    enum engine_failure failure;
    struct run *finish_next; /* in engine.finishing */
    char *error;
    int64_t run_at_us;
    int refusals; /* by the database, of this end */
};

/* ---- the engine ---- */

enum engine_stage {
    ENGINE_NEW,
    ENGINE_OPENING,
    ENGINE_RUNNING,
    ENGINE_STOPPING,
    ENGINE_CLOSING,
    ENGINE_DONE,
    ENGINE_STAGE_MAX
};

struct engine {
    struct loop *loop;
    struct store *store;
    struct provider *provider;
    struct pacer *pacer;
    int64_t leases_lost;
    const struct pipeline *pipeline; /* given at the start */
    const struct catalog *catalog;
    struct engine_config config;
    char *worker_name;
    engine_event_fn fn;
    void *ctx;
    struct rng rng;
    enum engine_stage stage;
    struct uuid worker;
    int ops;     /* store requests that will still call back, those of runs too */
    bool orphan; /* engine_free() was called; goes away with the last of them */

    struct run *runs;
    size_t n_runs;
    struct batch *early; /* asked for before the worker was open */
    size_t n_batched;    /* of these, claimed for a batch: beside the slots */

    /* versions.c */
    const struct pipeline *current; /* what new jobs begin with */
    struct version *versions;       /* read from the store */
    struct loop_timer version_timer;
    int version_asked, version_seen, version_told; /* numbers, -1 = none */
    int version_tries;
    bool versions_known;

    /* claim.c */
    bool claiming, claim_again, idle_told, paused;
    struct loop_task claim_task;
    struct loop_timer claim_timer;
    int64_t next_due_us;            /* by our clock */
    int64_t ahead_us;               /* the store's clock before ours, as the last claim told */
    bool parked;                    /* the provider refuses us as a whole */
    struct loop_timer unpark_timer; /* set while anything is parked */

    /* pace.c, call.c */
    struct run *pacing;
    struct loop_timer pacing_timer;
    struct loop_task pacing_task;
    struct loop_timer share_timer; /* share.c */
    int64_t shared_us;             /* asked last */
    bool sharing;
    double retry_budget;
    double bytes_per_token, input_ratio; /* learned from exact calls */
    struct learned_output {              /* averages; 0 = nothing yet */
        double tokens, words;            /* made, asked for */
    } learned_output[PHASE_MAX];

    /* report.c */
    struct run *dirty;
    int reporting; /* batches under way */
    struct loop_timer report_timer;

    /* finish.c */
    struct run *finishing;
    bool finish_under_way;
    struct loop_task finish_task;
    struct loop_timer finish_timer;

    /* lease.c */
    struct loop_timer renew_timer, sweep_timer, check_timer;
    int64_t checked_us;     /* when the last look at our jobs began */
    int64_t lease_until_us; /* loop clock */
    bool renewing, sweeping;
    bool lease_lost; /* and no other is open yet */
    int checking;    /* looks under way */

    /* scale.c */
    struct loop_timer scale_timer;
    bool scale_asking, scale_known;
    int64_t share; /* of the slots of all; -1 = nobody has set any */

    /* engine.c */
    struct loop_timer grace_timer;
    struct loop_task stop_task;
    bool started;
    int64_t store_failed_us; /* loop clock; 0 = never */
    bool store_passes;       /* what was told last passes by itself */
    bool gave_up;            /* the store takes nothing: runs end without it */
};

/* engine.c */
void engine_tell(struct engine *e, const struct engine_event *event);
void engine_tell_trouble(struct engine *e, enum err err, const char *message);
/* True when the store failed: the caller tries again later. Tells the operator, but not of each
 * failure in a row: of the first, and of the first that does not pass by itself. */
bool engine_store_failed(struct engine *e, const struct store_result *r);
/* Repeating cannot help: the database does not take this very input. */
bool engine_store_refused(const struct store_result *r);
/* One of engine.ops has called back; may free the engine, so it comes last. */
void engine_op_done(struct engine *e);
void engine_check_stopped(struct engine *e); /* goes on with stopping when nothing is left */
bool engine_is_stopping(const struct engine *e);

/* claim.c */
/* The store's wall clock, by which jobs are due and deadlines pass. */
int64_t claim_wall(const struct engine *e);
void claim_soon(struct engine *e); /* at the end of this turn */
/* The provider refuses: the operator is told, and after a pause it is tried again. `whole`: all of
 * it and not one model, so nothing is claimed meanwhile. */
void claim_park(struct engine *e, const char *reason, bool whole);
void claim_stop(struct engine *e);
void claim_try_again(struct engine *e); /* what is parked, now */

/* run.c */
void run_start(struct engine *e, const struct store_claimed *job);
void run_continue(struct run *r);
void run_resume(struct run *r); /* resume.c: from its checkpoints, then run_continue() */
/* checkpoint.c: keeps the answer, then run_continue() */
void run_answered(struct run *r, const struct script_answer *answer,
                  const struct store_call_end *end);
void run_fail(struct run *r, enum engine_failure failure, bool permanent, const char *error);
/* Due again after that delay; nothing is burned. */
void run_release(struct run *r, int64_t delay_us, const char *why);
void run_lost(struct run *r, enum store_lost how); /* the fence is gone: stop at once */
void run_end(struct run *r);                       /* leaves engine.runs */
void run_op_begin(struct run *r);                  /* a store request that will call back */
void run_op_done(struct run *r);                   /* may free the run, and the engine */
bool run_spent(struct run *r); /* no call may be made any more: then the run has failed */
void run_tell(struct run *r, enum engine_event_kind kind, const char *message);

/* The same for the batch's job number `at`; NULL = for none. */
void run_start_in(struct engine *e, const struct store_claimed *job, struct batch *batch,
                  size_t at);

/* batch.c; all take NULL for a run that is in none */
struct uuid batch_id(const struct batch *b);
void batch_event(struct batch *b, size_t at, const struct engine_event *ev);
void batch_left(struct batch *b, size_t at); /* the run has left the engine; may free the batch */
void batch_open(struct engine *e);           /* the worker is open: those that wait for it */
void batch_drop(struct engine *e);           /* it will not be */

/* call.c */
void call_start(struct run *r); /* makes the call that r->want describes */
void call_abort(struct run *r); /* ends it, records what it cost; the text stays to be saved */
void call_clear(struct run *r); /* after the call's text is a checkpoint */

void call_admitted(struct run *r);              /* by the pacer, with a ticket */
int64_t call_park_wait(const struct engine *e); /* until a job that a parking hands back is due */

/* pace.c */
void pace_enter(struct run *r);
void pace_leave(struct run *r);
/* Gives the slot back: the call has to wait for so long. */
void pace_put_off(struct run *r, int64_t wait_us, const char *why);
void pace_soon(struct engine *e); /* something ended or changed: ask again this turn */

struct pacer_need pace_need(const struct run *r);

/* spend.c: the store did not open the call, as it would pass this cap */
void spend_capped(struct run *r, enum store_cap cap);

/* share.c: the provider's limits, between the processes on a store */
void share_start(struct engine *e);
void share_stop(struct engine *e);
void share_hurry(struct engine *e); /* a call was not admitted */

/* input.c: what the users' hook adds to the parameters, then run_begin() */
void input_load(struct run *r);
/* What the hook added to r->params, JSON texts or NULL: the first step, or a failure. */
void run_begin(struct run *r, const char *overlay);
/* Makes the script machine, once r->pipeline is known; false after a failure, the run has ended. */
bool run_prepare(struct run *r);

/* versions.c */
void versions_open(struct engine *e);   /* what is active, then versions_opened() */
void versions_opened(struct engine *e); /* engine.c: goes on with the start */
void versions_stop(struct engine *e);
void versions_free(struct engine *e);
int versions_current(const struct engine *e); /* for the worker's lease */
/* Sets r->pipeline by the number that the store has for the job; false: it must be read first, and
 * run_resume() comes again. */
bool versions_use(struct run *r, int number);
void versions_drop(struct run *r); /* the run is over */

/* report.c */
void report_phase(struct run *r, enum phase phase, int chunk, int chunks);
void report_text(struct run *r);
void report_flush(struct run *r); /* its text, now, whatever the timers say */
void report_forget(struct run *r);
/* Between two rounds, each of up to STORE_BATCH_MAX jobs: at least as long as their pieces of text
 * are many. */
int64_t report_pause_us(int64_t text_save_us, size_t running);

/* finish.c */
/* Runs whose end the store did not take leave without it, and those that are on their way will. */
void finish_give_up(struct engine *e);
void finish_run(struct run *r, enum store_outcome outcome); /* uses r->error, r->run_at_us */
/* Ends a run that waits to repeat what the database refused; false when it does not wait. */
bool finish_drop_refused(struct run *r);

/* ledger.c: ends a call's row whatever happens to its job; repeats it until the store has it */
void ledger_close(struct engine *e, const struct store_call_end *end);
int64_t ledger_cost(const struct engine *e, const char *model_id, const struct usage *usage);
/* Tokens that the call's text amounts to, by the bytes per token learned so far. */
int64_t ledger_output_tokens(const struct engine *e, const struct call *call);
int64_t ledger_output_rate(const struct engine *e, const struct call *call); /* per second */
int64_t ledger_untaught_input(const struct script_call *want);
int64_t ledger_input_tokens(const struct engine *e, const struct call *call);
int64_t ledger_expected_output(const struct engine *e, const struct script_call *want);
struct price ledger_price(const struct engine *e,
                          const struct call *call); /* of its prompt's size */
int64_t ledger_expected_cost(const struct engine *e, const struct run *r); /* of its call */
void ledger_learn(struct engine *e, const struct run *r, const struct usage *usage);

/* scale.c */
void scale_start(struct engine *e);
void scale_stop(struct engine *e);
void scale_look_soon(struct engine *e);
bool scale_is_known(const struct engine *e); /* before that nothing may be claimed */

/* lease.c */
void lease_start(struct engine *e);
void lease_stop(struct engine *e);
bool lease_held(const struct engine *e); /* by the monotonic clock: new calls may start */
void lease_check_soon(struct engine *e);
void lease_renew_soon(struct engine *e);

#endif
