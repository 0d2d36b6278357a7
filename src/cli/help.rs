//! The long texts of `--help`: examples, file formats, exit codes.

/// Below the options of `domesday`.
pub(super) const AFTER_HELP: &str = "\
Environment:
  DOMESDAY_BROKER_URL   amqp[s]://user:password@host:port/vhost; this way the
                        password stays off the command line
  DOMESDAY_CONFIG       a configuration file, whose [broker] section may name a
                        url_file instead
  DOMESDAY_TLS_CA       certificates, as --tls-ca; also DOMESDAY_TLS_CERT, _KEY
                        and _SERVER_NAME
  DOMESDAY_NAMESPACE    the first part of the names of queues and exchanges
  NO_COLOR              no colours

Exit codes:
    0  all went well
    1  something was rejected, is not there, or differs
   64  the command line or the configuration cannot be used
   65  the input cannot be read or has mistakes; nothing was sent
   69  the broker cannot be reached or does not let us in
   70  an error inside domesday
   75  no answer in time; the same again may work
  130  interrupted

Examples:
  domesday server --primary --config domesday.toml
  domesday apply -f environments/
  domesday search 'kind:postgres tag.owner:payments'
  domesday graph dependents db-1 --tree
  domesday watch 'resource.*' --environment lab-7";

/// Below the options of `apply`.
pub(super) const APPLY_HELP: &str = "\
Files are YAML, JSON or JSON Lines. Each document has a `type`:

  type: resource
  id: db-1
  kind: postgres
  dependencies:
    - resource: vm-7
  ---
  type: environment
  id: lab-7
  resources: [db-1, vm-7]

All files are read before anything is sent; where there are mistakes, they are
listed with their lines, and nothing is sent. Order does not matter.
Running it again changes nothing; so does running it after an interruption.

Examples:
  domesday apply -f lab.yaml
  domesday apply -f environments/ --dry-run
  inventory --as-json-lines | domesday apply -f -";

/// Below the options of `remove`.
pub(super) const REMOVE_HELP: &str = "\
A removal is refused while something depends on it or is in it; --detach goes ahead:
dependencies on it dangle, an environment lets go of its resources. It can be undone
with `restore` while its tombstone lasts.

Examples:
  domesday remove resource web-1 web-2
  domesday remove environment lab-7 --detach
  domesday remove resource db-1 --detach --expect-impact HASH   what `graph impact db-1` says";

/// Below the options of `search`.
pub(super) const SEARCH_HELP: &str = "\
Queries:
  payments database            words, in names, descriptions, ids and tags
  \"payment gateway\"            a phrase
  kind:postgres name:orders    fields; also tag.owner:payments, environment:lab-7
  post*   postgrs~1            prefix; one letter wrong
  a OR b, NOT c, ( )           all words must match unless OR is between them
  dependents-of:db-1~2         what needs it, two steps far; also dependencies-of:web, impact-of:db-1
  has:dangling                 also has:cycle, has:external

Examples:
  domesday search 'kind:postgres tag.owner:payments'
  domesday search orders --within lab-7 --limit 5
  domesday search 'kind:service dependents-of:db-1' --facet environment --facet tag:owner
  domesday search 'orders database' --explain
  domesday search id:db-1 --as-of 2026-01-31T12:00:00Z   whether it was there then
  domesday search 'has:dangling' --follow      and what comes (+) and goes (-), until Ctrl-C";

/// Below the options of `history`.
pub(super) const HISTORY_HELP: &str = "\
Examples:
  domesday history resource db-1               who changed it, when, and what
  domesday history environment lab-7 --limit 100

The change log keeps all changes for a while; of older ones the first and the last of
each environment and resource are kept.";

/// Below the options of `compare`.
pub(super) const COMPARE_HELP: &str = "\
Examples:
  domesday compare staging production

Resources are counterparts where the tag `role`, the kind and the name agree; the id stands
for a name that is missing. Exit code 1 says that there are differences.";

/// Below the options of `access`.
pub(super) const ACCESS_HELP: &str = "\
Examples:
  domesday access explain --as deploy-bot --type resource.put --id web-1
  domesday access explain --as dashboards --type search

The rules are those of the instance that answers. Exit code 1 says that it is refused.";

/// Below the options of `graph`.
pub(super) const GRAPH_HELP: &str = "\
Examples:
  domesday graph dependencies web-1            what it needs, as a tree
  domesday graph dependents db-1 --depth 2     what needs it, two steps far
  domesday graph dependents db-1 --svg db-1.svg
  domesday graph dependencies web-1 --graphml > web-1.graphml
  domesday graph path web-1 db-1 --all
  domesday graph impact db-1 --soft            what stops with it, and what is degraded
  domesday graph impact https://idp.example    what stops if something outside does
  domesday graph impact db-1 --follow          and what changes of that, until Ctrl-C
  domesday graph order start --environment lab-7
  domesday graph cycles --environment lab-7
  domesday graph dependents db-1 --as-of 2026-01-31T12:00:00Z";

/// Below the options of `watch`.
pub(super) const WATCH_HELP: &str = "\
Patterns are those of an AMQP topic exchange: * is one word, # is any number of them.

Examples:
  domesday watch
  domesday watch 'resource.*' --environment lab-7
  domesday watch '*.removed' --count 1 --json";

/// Below the options of `mirror`.
pub(super) const MIRROR_HELP: &str = "\
DIR/resource/ID.json and DIR/environment/ID.json hold {revision, document, check}, of
an environment also its resources; characters beyond [A-Za-z0-9._-] are %-encoded.
DIR/.domesday/cursor.json says how far the copy is. A file that was edited or deleted
is repaired at the next start, and other files are left alone.
The command of --exec sees DOMESDAY_EVENT (such as resource.updated), DOMESDAY_TYPE,
DOMESDAY_ID, DOMESDAY_FILE, DOMESDAY_REVISION and DOMESDAY_SEQUENCE. Runs come one
after another; one that fails is reported, and the mirror goes on.
Without --once it follows until Ctrl-C. Exit code 1: it could not be proved.

Examples:
  domesday mirror /srv/domesday
  domesday mirror copy --once && git -C copy add -A
  domesday mirror copy --exec 'echo \"$DOMESDAY_EVENT $DOMESDAY_ID\"'";

/// Below the options of `report`.
pub(super) const REPORT_HELP: &str = "\
The page holds a proved copy of the register as of one moment: counts, tables of
environments and resources, the graph around any of them, and what stops if one
stops. It needs no network and may load nothing; whoever has the file can read it.
Descriptions are cut at 1000 characters, and attributes are left out.

Examples:
  domesday report register.html
  domesday report lab-7.html --environment lab-7";

/// Below the options of `dead`.
pub(super) const DEAD_HELP: &str = "\
A message goes to the dead letters when it was refused and nobody waited for the
answer, or when it was delivered too often. To look does not take them out, but
while someone looks nobody else sees them. The register remembers by the message id
what it refused: --as-new has such a command decided anew, and its sender's own
repetition would then be a second command.

Examples:
  domesday dead list
  domesday dead show 3
  domesday dead retry --all
  domesday dead retry 3 --as-new
  domesday dead drop 0190b7e4-8c7a-7bb1-a9d3-3f5d1c5f9e11 --yes";

/// Below the options of `snapshot`.
pub(super) const SNAPSHOT_HELP: &str = "\
`save` goes over the broker, from a server that runs and goes on. One that broke off
is gone on with by the same command again. Nothing has the name FILE that is not
whole and proved. The other three need no broker.

Exit codes of `verify`: 0 whole, 65 damaged.

Examples:
  domesday snapshot save lab.snapshot
  domesday snapshot inspect lab.snapshot
  domesday snapshot verify lab.snapshot
  domesday snapshot restore lab.snapshot --data /var/lib/domesday/domesday-data";

/// Below the options of `open`.
pub(super) const OPEN_HELP: &str = "\
The snapshot is unpacked into a temporary folder (TMPDIR) that is removed in the end.

Examples:
  domesday open lab.snapshot search 'kind:postgres'
  domesday open lab.snapshot -- graph dependents db-1 --depth 2";

/// Below the options of `send`.
pub(super) const SEND_HELP: &str = "\
For what has no verb of its own. The reply is printed as JSON; a problem in it ends with
exit code 1.

Examples:
  echo '{\"args\":{\"id\":\"db-1\",\"kind\":\"postgres\"}}' |
    domesday send resource.put --body -
  domesday send ping --question";

/// Below the options of `schema`.
pub(super) const SCHEMA_HELP: &str = "\
Needs no broker: the schemas are in the program, and are those of its version.

Examples:
  domesday schema
  domesday schema resource.put
  domesday schema asyncapi > asyncapi.yaml";

/// Below the options of `completions`.
pub(super) const COMPLETIONS_HELP: &str = "\
Example:
  domesday completions bash > ~/.local/share/bash-completion/completions/domesday";

/// Below the options of `status`.
pub(super) const STATUS_HELP: &str = "\
Every instance of the namespace answers for itself. A secondary of another
namespace or broker is asked there: --namespace, --broker.

  LACKS      changes that it has heard of and not taken in
  WHOLE      when its copy was last known to hold everything
  PROVED AT  the last sequence at which its copy was compared, and the same

Examples:
  domesday status
  domesday status --namespace site2 --json";

/// Below the options of `promote`.
pub(super) const PROMOTE_HELP: &str = "\
Send it to the broker and namespace of the secondary. What the secondary has not
is lost to its readers; an old primary that comes back stops writing, and puts
what only it has into a file.

Where the old primary is alive, `domesday switch-over` loses nothing.

Examples:
  domesday promote --namespace site2
  domesday promote --namespace site2 --force --reason 'site 1 is cut off'";

/// Below the options of `switch-over`.
pub(super) const SWITCH_OVER_HELP: &str = "\
Send it to the broker and namespace of the secondary. The primary finishes what is
in flight and stops; the secondary takes in the rest, begins the next epoch and
serves. Clients are to be pointed to its broker and namespace.

Examples:
  domesday switch-over --namespace site2";

/// Below the options of `tail`.
pub(super) const TAIL_HELP: &str = "\
A primary whose place was taken writes such a file by itself, into its data
directory, as soon as it hears of it. This does it again, from a data directory
that no server has open. The register is not changed.

Examples:
  domesday tail export unshipped.jsonl --data /var/lib/domesday";

/// Below the options of `drill`.
pub(super) const DRILL_HELP: &str = "\
The secondary makes a copy of its copy, opens it as after a promotion, builds graph
and index anew, and answers what the primary answered as of the same sequence. The
primary sends such answers every 10 seconds. For the moment of the copy the
secondary takes nothing in; it answers questions all the time.

Exit code 1 means that it is failed, and the output says what was not right.

Examples:
  domesday drill --namespace site2
  domesday drill --namespace site2 --json";
