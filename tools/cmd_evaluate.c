/* tact evaluate: what another policy would have earned, from rows of the past. The work is done by the parts in evaluate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/evaluate_figures.h"
#include "tools/evaluate_input.h"
#include <stdlib.h>

static int run(int argc, char **argv);

const struct command command_evaluate = {
    .name = "evaluate",
    .brief = "what another policy would have earned, from rows of the past",
    .arguments = "",
    .details =
        "Off-policy evaluation: rows say which action was taken, with which probability, and what came of "
        "it; targets "
        "say what\n"
        "another policy would have done. Prints its value by IPS, clipped IPS, SNIPS, and, with expected "
        "rewards, by "
        "the direct\n"
        "method, doubly robust and SWITCH, with bootstrap intervals, an interval that holds at any time "
        "(with "
        "--reward-range), and\n"
        "whether the figure can be trusted. Several targets may be given at once.\n\n"
        "  tact evaluate --csv past.csv --action sent --reward visit --probability 0.3333 --silence none "
        "--arm mail "
        "--arm silence\n"
        "  tact evaluate --csv log.csv --action item_id --position position --reward click --probability p "
        "\\\n"
        "      --target-table policy.csv --expected-features age,device --reward-range 0:1\n"
        "  tact evaluate --csv held_out.csv --action segment --reward visit --probability shares --map 'Mens "
        "E-Mail=mens_mail' \\\n"
        "      --silence 'No E-Mail' --policy tools/examples/hillstrom --model build/bundle --channel email "
        "\\\n"
        "      --consent email:promotional --cost 0.077 --reference silence --gate\n"
        "  tact evaluate --log tact-data/log --reward-from conversion --within 7d --policy new-policy "
        "--model new-bundle",
    .run = run,
};

static void job_free(struct evaluate_job *j)
{
    for (int i = 0; i < 3; i++)
        free(j->tables[i]);
    free(j->expected_owned[0]);
    free(j->choices);
    free(j->column_choices);
    free(j->of_policy);
    if (j->snapshot)
        snapshot_release(&j->snapshot);
    if (j->names)
        names_free(&j->names);
    if (j->zones)
        tzdb_free(&j->zones);
    if (j->rows.n)
        eval_rows_free(&j->rows);
    if (j->extra.rows)
        frame_free(&j->extra);
    arena_free(&j->arena);
}

/* What is missing or does not go together, or NULL. */
static const char *wrong_options(const struct evaluate_options *o)
{
    if ((o->csv != NULL) + (o->log != NULL) != 1)
        return "rows come from --csv or from --log; give one of them";
    if (o->log &&
        (o->action || o->reward || o->probability || o->position || o->customer || o->target_columns ||
         o->target_choices || o->expected_columns || o->expected_features || o->decisions || o->channel))
        return "with --log, rows and their columns are known; --reward-from and --within say what counts as "
               "reward";
    if (o->csv && (o->reward_from || o->within))
        return "--reward-from and --within go with --log";
    if (o->csv && (!o->action || !o->reward || !o->probability))
        return "--action, --reward and --probability say what the columns are; one is missing";
    if (!o->arms.count && !o->uniform && !o->target_table && !o->target_columns && !o->target_choices &&
        !o->policy)
        return "no target; give --policy, --target-choices, --target-columns, --target-table, --uniform or "
               "--arm";
    if (o->model && !o->policy)
        return "--model goes with --policy";
    if (o->policy && o->csv && !o->channel)
        return "--policy needs --channel: where the message would go";
    if (o->policy && o->position)
        return "--policy decides on one action a row; it cannot be evaluated by --position";
    if ((o->expected_table != NULL) + (o->expected_columns != NULL) + (o->expected_features != NULL) > 1)
        return "expected rewards come from one of --expected-table, --expected-columns, --expected-features";
    if (o->smallest_p && !o->reward_range)
        return "--smallest-p goes with --reward-range";
    if (o->anytime && !o->reward_range)
        return "--anytime needs --reward-range LOW:HIGH";
    if (o->separator && (strlen(o->separator) != 1 || !strchr(",;\t|", o->separator[0])))
        return "--separator: one of , ; | and tab";
    if (o->time_zone && !(o->policy && o->csv))
        return "--time-zone is about rows that a policy decides on; it goes with --csv and --policy";
    if (o->decisions && !o->policy)
        return "--decisions goes with --policy";
    if (o->costs && (!o->csv || o->cost || o->silences.count == 0))
        return "--costs takes the place of --cost, and needs --csv and --silence";
    if (o->costs && o->gate)
        return "--gate looks at one cost; give --cost";
    if (o->svg && !o->costs)
        return "--svg draws --costs; give both";
    return NULL;
}

/* What the table's targets are: the command runs once a process. */
static struct evaluate_options o = {.resamples = 1000, .seed = 1, .folds = 5};

static const struct option_def defs[] = {
    {.name = "csv", .value = "FILE", .help = "rows of the past, with a header", .text = &o.csv},
    {.name = "log",
     .value = "FOLDER",
     .help = "or a server's log: its decisions and their outcomes",
     .text = &o.log},
    {.name = "reward-from",
     .value = "KIND",
     .help = "of a log: response (default), conversion, value",
     .text = &o.reward_from},
    {.name = "within",
     .value = "SPAN",
     .help = "of a log: outcomes count so long after the decision (7d)",
     .text = &o.within},
    {.name = "action", .value = "COLUMN", .help = "which action was taken", .text = &o.action},
    {.name = "reward", .value = "COLUMN", .help = "what came of it: a number", .text = &o.reward},
    {.name = "positive",
     .value = "TEXT",
     .help = "the reward column's word for 1; the other word is 0",
     .text = &o.positive},
    {.name = "probability",
     .value = "COLUMN|P|shares",
     .help = "the action's probability: a column, one number, or the shares of the rows",
     .text = &o.probability},
    {.name = "position", .value = "COLUMN", .help = "the slot that the row stands at", .text = &o.position},
    {.name = "customer",
     .value = "COLUMN",
     .help = "whose row it is: rows of one customer are resampled together",
     .text = &o.customer},
    {.name = "map",
     .value = "TEXT=ACTION",
     .help = "a text of the action column is this action",
     .list = &o.maps},
    {.name = "silence",
     .value = "TEXT",
     .help = "a text of the action column that means no contact",
     .list = &o.silences},
    {.name = "missing", .value = "TEXT", .help = "a text that means a missing value", .list = &o.missing},
    {.name = "separator",
     .value = "C",
     .help = "between fields (found from the header)",
     .text = &o.separator},
    {.name = "policy",
     .value = "FOLDER",
     .help = "target: what this policy decides on each row",
     .text = &o.policy},
    {.name = "model", .value = "FOLDER", .help = "with this model bundle", .text = &o.model},
    {.name = "channel", .value = "NAME", .help = "where the message would go", .text = &o.channel},
    {.name = "placement", .value = "NAME", .help = "the slot that it would fill", .text = &o.placement},
    {.name = "locale", .value = "LOCALE", .help = "of the message", .text = &o.locale},
    {.name = "consent",
     .value = "CHANNEL:PURPOSE[=COLUMN]",
     .help = "consent of the customers",
     .list = &o.consents},
    {.name = "column", .value = "COLUMN=ATTRIBUTE", .help = "as of tact import", .list = &o.columns},
    {.name = "time-zone",
     .value = "ZONE",
     .help = "of times in the rows that name none (UTC)",
     .text = &o.time_zone},
    {.name = "as-of", .value = "TIME", .help = "decide as of then, RFC 3339 (now)", .text = &o.as_of},
    {.name = "decisions",
     .value = "FILE",
     .help = "write what the policy decides: line,action",
     .text = &o.decisions},
    {.name = "target-choices",
     .value = "COLUMN",
     .help = "target: the action that this column names",
     .text = &o.target_choices},
    {.name = "target-columns",
     .value = "PREFIX",
     .help = "target: columns <PREFIX><action> hold its probabilities",
     .text = &o.target_columns},
    {.name = "target-table",
     .value = "FILE",
     .help = "target: a CSV of action,position,probability",
     .text = &o.target_table},
    {.name = "uniform", .help = "target: every action of the rows alike", .flag = &o.uniform},
    {.name = "arm", .value = "ACTION", .help = "target: always this action, or silence", .list = &o.arms},
    {.name = "expected-features",
     .value = "COLUMNS",
     .help = "expected rewards: a model of these, fitted on other rows",
     .text = &o.expected_features},
    {.name = "expected-columns",
     .value = "PREFIX",
     .help = "expected rewards: columns <PREFIX><action>",
     .text = &o.expected_columns},
    {.name = "expected-table",
     .value = "FILE",
     .help = "expected rewards: a CSV of action,position,reward",
     .text = &o.expected_table},
    {.name = "no-model",
     .help = "no expected rewards, not those of the policy's model either",
     .flag = &o.no_model},
    {.name = "folds",
     .value = "N",
     .help = "of --expected-features (5)",
     .number = &o.folds,
     .low = 2,
     .high = 100},
    {.name = "cost", .value = "X", .help = "of a contact, taken off the reward (0)", .text = &o.cost},
    {.name = "costs",
     .value = "LIST",
     .help = "net values over these costs, 0,0.05,0.1 or 0:0.2:0.02; the policy decides anew at each",
     .text = &o.costs},
    {.name = "svg", .value = "FILE", .help = "draw them", .text = &o.svg},
    {.name = "clip", .value = "X", .help = "of clipped IPS (10)", .text = &o.clip},
    {.name = "switch",
     .value = "X",
     .help = "of SWITCH-DR: larger weights are left to the model (10)",
     .text = &o.switch_at},
    {.name = "resamples",
     .value = "N",
     .help = "of the bootstrap (1000; 0: none)",
     .number = &o.resamples,
     .low = 0,
     .high = OPE_RESAMPLES_MAX},
    {.name = "level", .value = "X", .help = "of intervals (0.95)", .text = &o.level},
    {.name = "seed",
     .value = "N",
     .help = "of the bootstrap and the folds (1)",
     .number = &o.seed,
     .low = 0,
     .high = INT64_MAX},
    {.name = "reward-range",
     .value = "LOW:HIGH",
     .help = "the range of rewards, for intervals that hold at any time",
     .text = &o.reward_range},
    {.name = "smallest-p",
     .value = "P",
     .help = "the least probability that the logging policy gives any action: tighter intervals at any time",
     .text = &o.smallest_p},
    {.name = "by-position", .help = "the figures of each position too", .flag = &o.by_position},
    {.name = "reference",
     .value = "logged|ARM|X",
     .help = "what to compare with (logged); a number that is an action's id too means the action",
     .text = &o.reference},
    {.name = "estimator",
     .value = "NAME",
     .help = "to compare by (dr with expected rewards, else snips)",
     .text = &o.estimator},
    {.name = "gate", .help = "exit 1 unless the lower bound beats the reference", .flag = &o.gate},
    {.name = "anytime", .help = "the gate uses the bound that holds at any time", .flag = &o.anytime},
    {.name = "brief", .help = "one line a target, by the estimator to compare by", .flag = &o.brief},
    {.name = "json", .help = "one JSON object a line", .flag = &o.json},
    {0},
};

static int run(int argc, char **argv)
{
    int count;
    int rc = options_parse(&command_evaluate, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    const char *wrong = wrong_options(&o);
    if (wrong)
        return client_usage(&command_evaluate, "%s", wrong);
    struct error e = {0};
    bool passed = true;
    struct evaluate_job *j = calloc(1, sizeof *j);
    ASSERT(j != NULL);
    j->o = &o;
    arena_init(&j->arena, EVALUATE_MEMORY);
    rc = evaluate_input(j, &e);
    if (!rc)
        rc = evaluate_figures(j, &passed, &e);
    job_free(j);
    free(j);
    if (rc)
        return client_failed(&command_evaluate, "%s", e.text);
    return passed ? EXIT_OK : EXIT_FAILED;
}
