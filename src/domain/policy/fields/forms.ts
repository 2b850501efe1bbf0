import { z } from 'zod';
import { DURATION_FORM, parseDuration } from '../../duration.ts';
import { isPersonName } from '../identity.ts';
import { sourceName } from '../sources.ts';

export const duration = z
  .string({ error: `expected ${DURATION_FORM}` })
  .meta({ title: 'duration', examples: ['30m'] })
  .transform((text, context) => {
    const seconds = parseDuration(text);
    if (seconds !== null) return seconds;
    context.addIssue({ code: 'custom', message: `'${text}' is not a duration: expected ${DURATION_FORM}` });
    return z.NEVER;
  });

export const SLACK_USER = /^[UW][A-Z0-9]{2,20}$/;
export const dnsLabel = (what: string) =>
  z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, `expected ${what}: lower-case letters, digits and dashes`);
export const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9A-Z:._-]+$/, 'expected the name of a Kubernetes object');

export const kubernetesUser = z
  .string()
  .refine(isPersonName, 'expected a Kubernetes user name without blanks, not system:');
export const kubernetesGroup = z
  .string()
  .min(1)
  .refine((group) => !group.startsWith('system:'), 'groups of Kubernetes itself (system:) are not given to people');

export const channelId = z
  .string()
  .regex(/^[CG][A-Z0-9]{2,20}$/, 'expected the id of a Slack channel (C024BE91L), not its name');

/** People: the union of the lists. Names can be imitated or re-used, so groups and channels are given by id. */
export const principals = z
  .strictObject({
    users: z
      .array(
        z.union(
          [z.string().regex(SLACK_USER), z.string().refine((text) => isPersonName(text) && !SLACK_USER.test(text))],
          {
            error: 'expected a Kubernetes user (ada@example.test) or a Slack member id (U024BE7LH)',
          },
        ),
      )
      .default([])
      .describe('Kubernetes users or Slack member ids')
      .meta({ examples: [['ben@example.test', 'U024BE7LH']] }),
    groups: z
      .array(z.string().regex(/^S[A-Z0-9]{2,20}$/, 'expected the id of a Slack user group (S0614TZR7), not its handle'))
      .default([])
      .describe('ids of Slack user groups, whose members are looked up when something is decided')
      .meta({ examples: [['S0SRE00001']] }),
    channels: z
      .array(channelId)
      .default([])
      .describe('ids of Slack channels, whose members are looked up when something is decided')
      .meta({ examples: [['C0ENGINEER1']] }),
  })
  .meta({ title: 'people' });
type Listed = {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly channels: readonly string[];
};
const hasSomebody = (p: Listed): boolean => p.users.length + p.groups.length + p.channels.length > 0;
export const somebodyInSlack = principals.refine(hasSomebody, {
  message: 'names nobody: give users, groups or channels',
});

/** Names of sources under `oncall`; that they exist is judged of the whole policy. */
export const onCallNames = z
  .array(sourceName)
  .min(1)
  .meta({ examples: [['payments']] });
/** Neither administrators nor deny lists hang on others: a source that is away would leave none of these, or deny everybody. */
export const somebody = principals
  .extend({
    oncall: onCallNames
      .optional()
      .describe('names of sources under `oncall`: who is on call there, looked up when something is decided'),
  })
  .meta({ title: 'people or on call' })
  .refine((p) => hasSomebody(p) || p.oncall !== undefined, {
    message: 'names nobody: give users, groups, channels or oncall',
  });

/** `staging`, `team-*`: `*` stands for any characters within the one name. A lone `*` is said aloud as `namespaces: ["*"]`. */
export const namespacePattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$/, 'expected a namespace or a pattern such as team-*')
  .meta({ title: 'namespace or pattern' });

/** The names of nodes have dots. */
export const nodePattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9.*]{0,251}[a-z0-9*])?$/, 'expected the name of a node or a pattern such as worker-*')
  .meta({ title: 'node or pattern' });

export const clusterPattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$/, 'expected the name of a cluster or a pattern such as prod-*')
  .meta({ title: 'cluster or pattern' });

export const NOBODY = { users: [], groups: [], channels: [] };
