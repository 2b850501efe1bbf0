import { z } from 'zod';
import { whyAmbiguous, whyNoTemplate } from '../identity.ts';
import { onCallSources, ticketSource } from '../sources.ts';
import {
  channelId,
  dnsLabel,
  duration,
  kubernetesGroup,
  kubernetesUser,
  SLACK_USER,
  somebodyInSlack,
} from './forms.ts';
import { profile } from './profile.ts';

/**
 * The policy file: what may be asked for, by whom, who decides. Every key is known or an error; every default is safe.
 * The file itself is read by config/policy-text.ts, which adds file and line to the errors found here.
 *
 * Each key has a description (`.describe`), which editors show and docs/policy.md lists (`npm run chart-files`), and may have an example
 * (`.meta({ examples: [...] })`). What has a title is named by it there, and a mapping with one is told once.
 */

const userTemplate = z
  .string()
  .superRefine((text, context) => {
    const why = whyNoTemplate(text);
    if (why !== null) context.addIssue({ code: 'custom', message: why, input: text });
  })
  .describe(
    'the user by a template: {email} is the confirmed address in lower case ({email:lower} is the same), {email:eks} has - for its @, {local} is what stands before its @',
  )
  .meta({ examples: ['oidc:{email}'] });
const emailDomains = z
  .array(z.string().regex(/^[a-z0-9.-]+$/))
  .min(1)
  .describe('only addresses of these domains; left out: of any')
  .meta({ examples: [['example.test']] });
const overrides = z.array(
  z.strictObject({
    slack: z
      .string()
      .regex(SLACK_USER)
      .describe('a Slack member id')
      .meta({ examples: ['U024BE7LH'] }),
    user: kubernetesUser.describe('the Kubernetes user of that account').meta({ examples: ['cy@example.test'] }),
  }),
);
const groups = z
  .record(z.string(), z.array(kubernetesGroup))
  .describe(
    'the Kubernetes groups that the cluster gives to a user ("*": to everybody), for the check after a revocation; they give nothing',
  )
  .meta({ examples: [{ '*': ['developers'] }] });

/** Two people must never be one user. */
function refuseAmbiguous(
  identity: { user: string; emailDomains?: string[] | undefined },
  context: z.RefinementCtx,
): void {
  const why = whyAmbiguous(identity);
  if (why !== null) context.addIssue({ code: 'custom', path: ['emailDomains'], message: why, input: identity });
}

const cluster = z
  .strictObject({
    context: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'the context of the kubeconfig that leads there; left out, of one cluster at most: the one that Drawbridge runs in, or that KUBE_CONTEXT names',
      )
      .meta({ examples: ['prod-eu'] }),
    identity: z
      .strictObject({
        user: userTemplate.optional(),
        emailDomains: emailDomains.optional(),
        overrides: overrides
          .optional()
          .describe(
            'accounts whose user there is another than the template makes; left out: those of identity, but none where user is given here',
          ),
        groups: groups.optional(),
      })
      .optional()
      .describe('how this cluster names people, where that is in another way; what is left out is as in identity'),
    channel: channelId
      .optional()
      .describe(
        'where requests for this cluster are posted; left out: approvals.channel; a channel of the profile comes first',
      )
      .meta({ examples: ['C0PRODEU01'] }),
  })
  .describe('one cluster');

/** Without what only holds of the whole: {@link policySchema} in schema.ts judges that too. */
export const policyFields = z.strictObject({
  version: z.literal(1).describe('the form of this file'),
  identity: z
    .strictObject({
      user: userTemplate.default('{email}'),
      emailDomains: emailDomains.optional(),
      // Slack says nothing of the addresses of those who joined by single sign-on: then `workspace`, where that gives every address.
      // https://docs.slack.dev/reference/objects/user-object
      confirmedBy: z
        .enum(['slack', 'workspace'])
        .default('slack')
        .describe(
          "who says that an address is its owner's: slack says it of each account; workspace, where single sign-on gives every member's address",
        ),
      overrides: overrides.default([]).describe('accounts whose Kubernetes user is another than the template makes'),
      groups: groups.default({}),
      admit: z
        .array(z.enum(['guests', 'external', 'bots']))
        .default([])
        .describe('guests, people of another workspace, or bots, who else may neither ask nor decide')
        .meta({ examples: [['guests']] }),
    })
    .superRefine(refuseAmbiguous)
    .describe('how a Slack account becomes a Kubernetes user; none, or several, is a refusal'),
  clusters: z
    .record(dnsLabel('a cluster name'), cluster)
    .refine((c) => Object.keys(c).length > 0, 'has no cluster: leave it out where there is one without a name')
    .optional()
    .describe(
      'the clusters in which access is given, by the names that people see and type; left out: the one that Drawbridge runs in (or that KUBE_CONTEXT names), whose name is said nowhere',
    ),
  administrators: somebodyInSlack.describe('who is told what a person must mend, and may end any grant'),
  approvals: z
    .strictObject({
      channel: channelId
        .describe('the id of the channel in which requests are posted; the bot must be in it')
        .meta({ examples: ['C0ACCESS001'] }),
      timeout: duration.prefault('1h').describe('how long a request waits for its decision'),
      reminder: duration.optional().describe('when approvers are reminded; left out: never'),
      askOnce: z
        .boolean()
        .default(true)
        .describe(
          'who asks for what they have asked for already, and what waits or is open, is answered with that one; false: each request stands for itself',
        ),
    })
    .describe('where and how long requests wait'),
  oncall: onCallSources.optional(),
  tickets: ticketSource.optional(),
  notifications: z
    .strictObject({
      warning: duration
        .prefault('5m')
        .describe('how long before its end the person is warned, with a button to extend'),
    })
    .prefault({})
    .describe('what people are told on the way'),
  profiles: z
    .record(dnsLabel('a profile name'), profile)
    .refine((p) => Object.keys(p).length > 0, 'has no profile')
    .describe('what may be asked for, by name'),
});
