import { type AuditLog, isBinding, type Span, spansOf, type Track } from './audit-log.ts';
import type { Deed, Ran, Request } from './batch.ts';
import { factsOf, PEOPLE, profileNamed, SIDES, type Side, tellSteps } from './histories.ts';
import type { Installation } from './installation.ts';
import { judgeChanges, tellChange } from './judge-changes.ts';
import type { OwnAudit, OwnEntry } from './own-audit.ts';
import type { Places } from './sides.ts';
import { GONE, isEnd, NEVER, type Said, type SlackView, type Standing } from './slack-view.ts';
import type { Changed } from './slots.ts';

/**
 * Holds what was promised (P1 to P5, P7) against the API server's audit log, what people pressed, and what was said in Slack. Nothing
 * here believes Drawbridge's own records: its audit is judged by the same.
 */

/** How late a RoleBinding may lose its subjects, in milliseconds after the end of its window. */
export const BOUNDS = {
  /** Nothing was broken. */
  calm: 5000,
  /** Something was, and the lease Job was left alone: Kubernetes ends it, whatever became of the bots, once its API server is quick enough. */
  lease: 8000,
  /** An administrator took the lease away, or keeps the binding by a finalizer: since the last fault was over and a bot lived again. */
  recovery: 10_000,
};
/** Whoever has left loses what is open, without anybody asking for it. */
const LEAVES: ReadonlySet<Changed['what']> = new Set(['deactivate', 'deny']);
/** Audit log and Slack are written by clocks of one machine; Slack's counts whole milliseconds. */
const TICK = 3;
/** An older word that came after a newer one is put right within: milliseconds. */
const MENDED_MS = 10_000;
/** So much less than the truth may Drawbridge's audit claim of a lateness: milliseconds. */
const LATENESS_SLACK = 1000;

export interface Violation {
  readonly promise: 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P7';
  readonly reason: string;
  readonly text: string;
  /** What is known of it: steps, lines of the audit log, words. */
  readonly evidence: readonly string[];
}

export interface Verdict {
  readonly violations: Violation[];
  /** Grants that had a RoleBinding with a subject. */
  readonly grants: number;
  /** Histories of which at least one request became such a grant. */
  readonly granted: number;
  /** Grants whose entries in Drawbridge's own audit were held against the API server's log. */
  readonly audited: number;
  /** Requests that were asked again, because what an approval binds had changed, and though nothing had. */
  readonly askedAgain: { forCause: number; forNothing: number };
  /** Of requests: by the last word of their message; `lost` were pending, or over and not told, when Redis lost its data. */
  readonly ends: Map<Standing | 'lost' | 'unheard', number>;
  /** Of the grants: those of the second of two clusters, those by a ClusterRoleBinding, and those by an account of their own. */
  readonly kinds: Record<'second' | 'wide' | 'token', number>;
  /** Worst lateness in milliseconds, and how many were measured. */
  readonly lateness: { calm: Lateness; faults: Lateness; noBot: Lateness };
}
export interface Lateness {
  worst: number;
  of: number;
}

export function judge(on: Installation, places: Places, ran: Ran, own: OwnAudit): Verdict {
  const { slack } = on;
  const kinds: Verdict['kinds'] = { second: 0, wide: 0, token: 0 };
  const violations: Violation[] = [];
  const ends: Verdict['ends'] = new Map();
  const lateness = { calm: { worst: 0, of: 0 }, faults: { worst: 0, of: 0 }, noBot: { worst: 0, of: 0 } };
  const ours = new Set([...Object.values(on.namespaces), on.workspaces]);
  const botUser = `system:serviceaccount:${on.world.installation.namespace}:`;
  const isOurs = ({ namespace, changes }: Track) =>
    ours.has(namespace) || (namespace === '' && changes.some(({ by }) => by.startsWith(botUser)));
  const tracksIn = (side: Side | null) => [...places.at(side).audit.tracks.values()].filter(isOurs);
  const requests = new Map(ran.requests.map((request) => [request.reason, request]));
  const askedAgain: Verdict['askedAgain'] = { forCause: 0, forNothing: 0 };
  let grants = 0;
  let audited = 0;
  const granted = new Set<string>();

  const bindingsOf = (tracks: readonly Track[], audit: AuditLog, id: string): Span[] =>
    tracks
      .filter((track) => isBinding(track.resource) && track.id === id)
      .flatMap((track) => spansOf(track, (change) => change.subjects.length > 0))
      .flatMap((span) => whileItWasThere(span, span.role, audit))
      .flatMap((span) => whileItWasThere(span, span.account, audit));
  const isThere = () => true;

  function accuse(promise: Violation['promise'], request: Request, id: string, text: string): void {
    const seen = new Set(violations.map((violation) => violation.text));
    if (seen.has(`${id}: ${text}`)) return;
    violations.push({
      promise,
      reason: request.reason,
      text: `${id}: ${text}`,
      evidence: [
        ...tellSteps(request.history, ran.batch),
        ...request.deeds.map((deed) => `${iso(deed.at)} ${deed.by} did ${deed.what}`),
        ...request.edits.map((edit) => `${iso(edit.at)} the administrator did ${edit.what}`),
        ...request.changes.map((change) => `${iso(change.from)} to ${iso(change.to)} ${tellChange(change)}`),
        ...on.faulty
          .filter((fault) => fault.to > request.typedAt)
          .map((fault) => `${iso(fault.from)} to ${iso(fault.to)} fault: ${fault.what}`),
        ...tracksIn(request.history.cluster)
          .filter((track) => track.id === id)
          .flatMap((track) => track.lines),
        ...slack.said.filter((said) => said.id === id).map((said) => `${iso(said.at)} said ${said.text}`),
      ].toSorted((a, b) => Number(/^\d/.test(a)) - Number(/^\d/.test(b)) || (/^\d/.test(a) ? a.localeCompare(b) : 0)),
    });
  }

  const bySide = Map.groupBy(ran.requests, ({ history }) => history.cluster);
  const unshown = new Map<Request | null, string[]>();
  for (const [side, requests] of bySide)
    for (const [request, ids] of grantsNotShown(tracksIn(side), requests, slack))
      unshown.set(request, [...(unshown.get(request) ?? []), ...ids]);

  for (const request of ran.requests) {
    const { history, deeds, edits } = request;
    const { audit } = places.at(history.cluster);
    const tracks = tracksIn(history.cluster);
    /** What was broken between the bots and the other cluster is no excuse here. */
    const faulty = on.faulty.filter(({ side }) => side === undefined || side === history.cluster);
    const facts = factsOf(history.profile);
    const allowed = facts.approvers.filter((who) => who !== history.requester);
    const bySomebodyAllowed = (deed: Deed) => (allowed as readonly string[]).includes(deed.by);
    const isAutomatic = facts.automatic.includes(history.requester) && history.target.startsWith('staging');
    const lost = on.flushes.some((flush) => flush >= request.typedAt - 1000);
    const ids = new Set([...slack.idsOf(request.reason), ...(unshown.get(request) ?? [])]);
    if (ids.size === 0) count(ends, 'unheard');
    if (ids.size > 1 && !lost) accuse('P5', request, [...ids].join(), 'one request became several');

    for (const id of ids) {
      const bindings = bindingsOf(tracks, audit, id);
      const made = bindings.filter((span) => span.by.startsWith(botUser));
      const subject = facts.token ? `drawbridge-${id}` : PEOPLE[history.requester].user;
      if (made.length > 0) {
        grants += 1;
        granted.add(history.name);
        if (history.cluster === SIDES[1]) kinds.second += 1;
        if (facts.wide) kinds.wide += 1;
        if (facts.token) kinds.token += 1;
      }
      // P1: in the cluster for which it was asked, and nothing of it in the other.
      const strays = [...(places.beside(history.cluster)?.audit.tracks.values() ?? [])].filter(
        (track) => track.id === id,
      );
      if (strays.length > 0)
        accuse('P1', request, id, `was written in the other cluster: ${strays.flatMap(({ lines }) => lines)[0]}`);

      const first = Math.min(...made.map((span) => span.from));

      // P1: a decision by somebody allowed, pressed before the API server was asked.
      for (const span of made) {
        const before = deeds.filter(
          (deed) => deed.what === 'approve' && bySomebodyAllowed(deed) && deed.at <= span.asked,
        );
        const people = new Set(before.map((deed) => deed.by));
        if (!isAutomatic && people.size < facts.approvals)
          accuse('P1', request, id, `bound after ${people.size} of ${facts.approvals} approvals by somebody allowed`);
        const wrong = span.track.changes.filter(
          (change) => change.by.startsWith(botUser) && change.subjects.some((name) => name !== subject),
        );
        if (wrong.length > 0) accuse('P1', request, id, `binds ${wrong[0]?.subjects.join()}, who is not ${subject}`);
      }

      // P2: no window longer than what was decided, and nothing in force after it.
      const asked = deeds.filter((deed) => deed.what === 'extend');
      const extended = asked.reduce(
        (sum, deed) =>
          isAutomatic ||
          deeds.some((other) => other.what === 'approve-extension' && other.at >= deed.at && bySomebodyAllowed(other))
            ? sum + deed.seconds * 1000
            : sum,
        0,
      );
      const longest = first + history.seconds * 1000 + extended;
      for (const span of made) {
        const isEdited = edits.some((edit) => edit.what === 'change-expiry');
        const latest = Math.max(...span.expiries.map((expiry) => expiry.expiresAt));
        if (!isEdited && latest > longest + TICK)
          accuse('P2', request, id, `its window is ${Math.round(latest - longest)} ms longer than what was decided`);
        const due = extended > 0 || isEdited ? longest : (span.expiresAt ?? longest);
        const end = Math.min(span.to, Date.now());
        const late = end - due;
        const broken = faulty.filter((fault) => fault.from < end && fault.to + BOUNDS.recovery > due - 2000);
        const tampered = edits.some((edit) =>
          ['delete-lease', 'orphan-lease', 'keep-lease', 'keep-binding', 'change-subjects', 'change-expiry'].includes(
            edit.what,
          ),
        );
        // Beside a bot only the reaper, which looks each minute and is not here, ends what is a person's in the whole cluster.
        const needsBot = facts.wide === true && facts.token !== true;
        const nobody = !needsBot && on.dead.some((time) => time.from <= due && time.to >= end);
        if (late > 0 && extended === 0 && !isEdited)
          note(broken.length > 0 ? (nobody ? lateness.noBot : lateness.faults) : lateness.calm, late);
        else note(broken.length > 0 ? (nobody ? lateness.noBot : lateness.faults) : lateness.calm, 0);
        const over = Math.max(due, ...broken.map((fault) => Math.min(fault.to, end)));
        const lease = Math.max(due, ...broken.filter((fault) => fault.cluster).map((fault) => Math.min(fault.to, end)));
        const until =
          broken.length === 0
            ? due + BOUNDS.calm
            : tampered || needsBot
              ? over + BOUNDS.recovery
              : lease + BOUNDS.lease;
        if (end > until)
          accuse(
            'P2',
            request,
            id,
            `in force ${Math.round(late)} ms after its window (${span.track.namespace}; ${broken.length === 0 ? 'nothing was broken' : broken.map((fault) => fault.what).join(', ')})`,
          );
      }

      // P3: the guard is there before the binding, and after it.
      if (facts.guard !== null && made.length > 0) {
        const isOpen = facts.guard === 'target' && history.change === null;
        const around = history.change === null ? on.namespaces.open : on.namespaces.slots;
        const namespace = facts.guard === 'workspaces' ? on.workspaces : around;
        const guards = tracks
          .filter((track) => track.resource === 'networkpolicies' && track.namespace === namespace)
          // The pods of a containment are everybody's: one that is there confines all.
          .filter((track) => isOpen || track.id === id)
          .flatMap((track) => spansOf(track, isThere));
        const wasEdited = edits.some((edit) => edit.what === 'delete-guard');
        for (const span of made) {
          const hole = uncovered(span, guards);
          if (hole !== null && !wasEdited && !isEditedGuard(ran, facts.guard))
            accuse('P3', request, id, `bound in ${span.track.namespace} without its guard from ${iso(hole)}`);
        }
      }

      // P1, P4: what was changed under it.
      const timesAsked = own.entriesOf(id).filter(({ event }) => event === 'asked-again').length;
      const around = ran.requests.filter((one) => one.history === history).flatMap((one) => one.changes);
      const under = judgeChanges({ on, request, around, id, made, timesAsked, isAllowed: bySomebodyAllowed });
      if (under.isAskedAgain) askedAgain[under.isForNothing ? 'forNothing' : 'forCause'] += 1;
      for (const { promise, text } of under.found) accuse(promise, request, id, text);

      // P5: one binding in each namespace, one end.
      const byNamespace = Map.groupBy(made, (span) => span.track.namespace);
      for (const [namespace, spans] of byNamespace) {
        const uids = new Set(spans.map((span) => span.uid));
        if (uids.size > 1 && edits.length === 0)
          accuse('P5', request, id, `${uids.size} RoleBindings were made in ${namespace}`);
      }
      const words = slack.said.filter((said) => said.id === id && said.inMessage);
      const firstEnd = words.find((said) => isEnd(said.standing));
      // An edit that Slack was slow to take may come late; it is put right.
      const after = words.find(
        (said, index) =>
          firstEnd !== undefined &&
          said.at > firstEnd.at &&
          said.standing !== firstEnd.standing &&
          !words.slice(index).some((next) => next.standing === firstEnd.standing && next.at < said.at + MENDED_MS),
      );
      if (after !== undefined)
        accuse('P5', request, id, `said to be ${firstEnd?.standing}, and then ${after.standing}`);
      if (firstEnd !== undefined) count(ends, firstEnd.standing);
      else if (lost) count(ends, 'lost');
      else accuse('P5', request, id, 'reached no end that was said');

      // P5, P7: each step is in Drawbridge's own audit, once, and what that says of the end is what the API server saw.
      if (made.length > 0 && !lost && firstEnd !== undefined) {
        audited += 1;
        for (const { promise, text } of judgeEntries(own.entriesOf(id), words, made))
          accuse(promise, request, id, text);
      }

      // P7: said when it was so.
      for (const said of slack.said.filter((one) => one.id === id)) {
        if (GONE.includes(said.standing)) {
          const still = bindings.find((span) => span.from < said.at - TICK && span.to > said.at + TICK);
          if (still !== undefined)
            accuse(
              'P7',
              request,
              id,
              `"${said.standing}" was said while a RoleBinding was in force in ${still.track.namespace}`,
            );
          const lastEnd = Math.max(0, ...bindings.filter((span) => span.to <= said.at + TICK).map((span) => span.to));
          // Another binding may allow the same: that is not ours to end.
          const asked = audit.reviews.some(
            ({ user, done, allowedBy }) =>
              (facts.token ? user.endsWith(`:${subject}`) : user === subject) &&
              done >= lastEnd &&
              done <= said.at + TICK &&
              !allowedBy.includes(`drawbridge-${id}`),
          );
          if (lastEnd > 0 && !asked)
            accuse('P7', request, id, `"${said.standing}" was said before the API server was asked`);
        } else if (NEVER.includes(said.standing) && made.length > 0)
          accuse('P7', request, id, `"${said.standing}" and "nothing was opened" was said of a grant that was bound`);
        else if (said.standing === 'active' && !bindings.some((span) => span.from <= said.at + TICK))
          accuse('P7', request, id, '"active" was said before any RoleBinding was there');
      }
      const did = (what: Deed['what'], who: (deed: Deed) => boolean) =>
        deeds.some((deed) => deed.what === what && who(deed));
      // Kim is of the approvers' group: a list that denies keeps nobody from ending.
      const mayEnd = (deed: Deed) => bySomebodyAllowed(deed) || [history.requester, 'dee', 'kim'].includes(deed.by);
      const hasLeft = ran.requests.some(({ changes }) =>
        changes.some(({ what, name }) => LEAVES.has(what) && name === PEOPLE[history.requester].user),
      );
      if (firstEnd?.standing === 'revoked' && !hasLeft && !did('revoke', mayEnd))
        accuse('P1', request, id, 'was revoked, and nobody who may had asked for it');
      if (firstEnd?.standing === 'denied' && !did('deny', bySomebodyAllowed))
        accuse('P1', request, id, 'was denied, and nobody who may had done so');
    }
  }

  const [first] = ran.requests;
  if (first !== undefined)
    for (const id of unshown.get(null) ?? []) accuse('P1', first, id, 'was bound, and nobody had asked for it');
  if (first !== undefined)
    for (const problem of own.problems) accuse('P5', first, 'audit', `the chain of the audit: ${problem}`);
  for (const left of ran.unfinished) {
    const id = /g-[a-z2-9]{6}/.exec(left)?.[0] ?? '';
    const request = requests.get(slack.reasonOf(id) ?? '') ?? ran.requests[0];
    if (request !== undefined) accuse('P2', request, id, `at the end: ${left}`);
  }
  return { violations, grants, granted: granted.size, audited, askedAgain, ends, kinds, lateness };
}

/**
 * Grants that were bound and never shown in Slack, by the request of which they must be; null: nobody had asked for such a one. Redis may have
 * lost a request that the policy had approved by itself before its message was posted.
 */
function grantsNotShown(
  tracks: readonly Track[],
  requests: readonly Request[],
  slack: SlackView,
): Map<Request | null, string[]> {
  const began = Math.min(...requests.map((request) => request.typedAt));
  const found = new Map<Request | null, string[]>();
  for (const { id, resource, changes } of tracks) {
    const bound = changes.find((change) => change.subjects.length > 0);
    if (!isBinding(resource) || bound === undefined || bound.asked < began || slack.reasonOf(id) !== undefined)
      continue;
    const request = requests.findLast(
      ({ history, reason, typedAt }) =>
        typedAt <= bound.asked &&
        slack.idsOf(reason).length === 0 &&
        PEOPLE[history.requester].user === bound.requester &&
        profileNamed(history) === bound.profile,
    );
    found.set(request ?? null, [...(found.get(request ?? null) ?? []), id]);
  }
  return found;
}

/** One grant's entries in Drawbridge's audit, against what was said and what the API server saw of its bindings. */
function judgeEntries(
  entries: readonly OwnEntry[],
  words: readonly Said[],
  made: readonly Span[],
): { readonly promise: 'P5' | 'P7'; readonly text: string }[] {
  const of = (...events: string[]) => entries.filter((entry) => events.includes(entry.event));
  const wasActive = words.some((said) => said.standing === 'active');
  const [active, endings, ends] = [of('active'), of('ending'), of(...GONE)];
  const found: { promise: 'P5' | 'P7'; text: string }[] = [];
  const miscounted = (what: string, number: number) =>
    found.push({ promise: 'P5', text: `its audit has ${number} entries "${what}"` });
  // One that was taken down before it was whole was never active.
  if (active.length > 1 || (wasActive && active.length === 0)) miscounted('active', active.length);
  if (endings.length !== 1) miscounted('ending', endings.length);
  if (ends.length !== 1) miscounted(GONE.join(' or '), ends.length);
  const [ending, end] = [endings[0], ends[0]];
  if (ending === undefined || end === undefined) return found;
  const due = end.event === 'expired' ? (end.expiresAt ?? ending.at) : ending.at;
  const last = Math.max(...made.filter((span) => span.from < end.at).map((span) => span.to));
  if ((end.lateness ?? -Infinity) < last - due - LATENESS_SLACK)
    found.push({
      promise: 'P7',
      text: `its audit says that it ended ${end.lateness} ms late, and the API server's log ${Math.round(last - due)} ms`,
    });
  return found;
}

/** The administrator has deleted somebody's containment, which was that of all. */
function isEditedGuard(ran: Ran, guard: 'workspaces' | 'target'): boolean {
  return (
    guard === 'target' &&
    ran.requests.some(
      ({ history, edits }) => history.profile === 'shell' && edits.some((edit) => edit.what === 'delete-guard'),
    )
  );
}

/**
 * A binding whose role, or the account that it binds, is gone for good gives nothing: though a finalizer keeps it, or though it came after, since its
 * write was on its way as the grant was ended.
 * @param what its key in `tracks`; null: it stays
 */
function whileItWasThere(span: Span, what: string | null, audit: AuditLog): Span[] {
  const last = audit.tracks
    .get(what ?? '')
    ?.changes.toSorted((a, b) => a.done - b.done)
    .at(-1);
  if (last === undefined || last.uid !== null || last.done > span.to) return [span];
  if (last.done < span.from) return [];
  return [{ ...span, endAsked: last.asked, to: last.done, endedBy: last.by }];
}

/** When a binding was in force without any of these guards; null: never. */
function uncovered(binding: Span, guards: readonly Span[]): number | null {
  let covered = binding.asked;
  for (;;) {
    const next = guards.filter((guard) => guard.from <= covered && guard.endAsked > covered);
    if (next.length === 0) return covered;
    covered = Math.max(...next.map((guard) => guard.endAsked));
    if (covered >= binding.to) return null;
  }
}

function note(lateness: Lateness, ms: number): void {
  lateness.of += 1;
  lateness.worst = Math.max(lateness.worst, ms);
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

const iso = (at: number) => (Number.isFinite(at) ? new Date(at).toISOString() : 'now');
