import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createClassifier } from '../../../src/network/classes.ts';
import { compilePolicy } from '../../../src/network/policy.ts';
import { includesPort } from '../../../src/network/portset.ts';
import { createReach } from '../../../src/network/reach.ts';
import { letterOf } from '../../../src/network/side.ts';
import type { NetworkPolicy, Pod, Protocol } from '../../../src/network/types.ts';
import { createJudge } from '../../../src/network/verdict.ts';
import { pod } from './build.ts';

/*
 * Test cases of the Cyclonus conformance suite with verdicts on which two independent engines agree. For each protocol
 * and port: the pairs of different pods that may connect; pods serve all three protocols, with names for ports 80 and
 * 81.
 */
interface Step {
  readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly pods: readonly { namespace: string; name: string; labels: Readonly<Record<string, string>>; ip: string }[];
  readonly policies: readonly NetworkPolicy[] | null;
  readonly allowed: Readonly<Record<string, readonly string[]>>;
}

const file = new URL('../../vectors/cyclonus-vectors.json.gz', import.meta.url);
const cases = JSON.parse(gunzipSync(readFileSync(file)).toString()) as { description: string; steps: Step[] }[];
const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const servedPorts = protocols.flatMap((protocol) =>
  [80, 81].map((port) => ({ name: `serve-${port}-${protocol.toLowerCase()}`, containerPort: port, protocol })),
);

function clusterOf(step: Step): {
  namespaces: { name: string; labels: Step['namespaces'][string] }[];
  pods: Pod[];
  policies: readonly NetworkPolicy[];
} {
  return {
    namespaces: Object.entries(step.namespaces).map(([name, labels]) => ({ name, labels })),
    pods: step.pods.map(({ namespace, name, labels, ip }) =>
      pod(namespace, name, { labels, ips: [ip], ports: servedPorts }),
    ),
    policies: step.policies ?? [],
  };
}

type May = (from: Pod, to: Pod, port: number, protocol: Protocol) => boolean;

function byVerdict(step: Step): May {
  const judge = createJudge(clusterOf(step));
  return (from, to, port, protocol) => judge(from, to, port, protocol).allowed;
}

function byClasses(step: Step): May {
  const cluster = clusterOf(step);
  const policies = cluster.policies.map(compilePolicy);
  const classify = createClassifier(policies)(new Map(Object.entries(step.namespaces)));
  const reach = createReach(policies);
  return (from, to, port, protocol) => includesPort(letterOf(reach.pair(classify(from), classify(to))), protocol, port);
}

test.each([
  ['pair by pair', byVerdict],
  ['by classes of pods', byClasses],
])(
  'all 222,072 verdicts of the Cyclonus cases, %s',
  (_, engine) => {
    let compared = 0;
    const wrong: string[] = [];
    for (const { description, steps } of cases) {
      for (const step of steps) {
        const may = engine(step);
        const { pods } = clusterOf(step);
        for (const [target, listed] of Object.entries(step.allowed)) {
          const [protocol, port] = target.split('/') as [Protocol, string];
          const expected = new Set(listed);
          for (const from of pods) {
            for (const to of pods) {
              const pair = `${from.namespace}/${from.name}>${to.namespace}/${to.name}`;
              if (from === to) continue;
              compared++;
              if (may(from, to, Number(port), protocol) !== expected.has(pair))
                wrong.push(`${description}: ${pair} ${target}`);
            }
          }
        }
      }
    }
    expect(wrong).toEqual([]);
    expect({ cases: cases.length, steps: cases.flatMap(({ steps }) => steps).length, compared }).toEqual({
      cases: 230,
      steps: 256,
      compared: 222_072,
    });
  },
  120_000,
);
