import { z } from 'zod';
import { DURATION_FORM } from '../../duration.ts';
import { HOURS_FORM, parseHours } from '../hours.ts';
import {
  channelId,
  clusterPattern,
  dnsLabel,
  duration,
  NOBODY,
  namespacePattern,
  onCallNames,
  principals,
  somebody,
} from './forms.ts';
import { kitList } from './rights.ts';

/** The longest reason that is taken: a message shows it whole. */
export const LONGEST_REASON = 500;

/** Conditions; all that are set must hold. */
export const conditions = z
  .strictObject({
    members: somebody.optional().describe('the requester is one of them'),
    oncall: onCallNames
      .optional()
      .describe('the requester is on call by one of these sources; short for members with oncall'),
    ticket: z
      .literal(true)
      .optional()
      .describe('it is asked for with a ticket that counts; not the only condition, but with reporter: other'),
    maximum: duration.optional().describe('no longer than this'),
    namespaces: z
      .array(namespacePattern)
      .min(1)
      .optional()
      .describe('the target is in one of these')
      .meta({ examples: [['staging', 'team-*']] }),
    clusters: z
      .array(clusterPattern)
      .min(1)
      .optional()
      .describe('the target is in one of these clusters')
      .meta({ examples: [['staging', 'dev-*']] }),
    rights: kitList()
      .optional()
      .describe('no more rights in words than these are asked for; a profile without rights in words never meets it')
      .meta({ examples: [['read', 'logs']] }),
    perDay: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'the policy itself has approved fewer of this profile for this person today, by the clocks of the hours, else by UTC',
      )
      .meta({ examples: [3] }),
    hours: z
      .string()
      .refine((text) => parseHours(text) !== null, `expected ${HOURS_FORM}`)
      .optional()
      .describe('it is decided in these hours of the week; what crosses midnight belongs to the day on which it begins')
      .meta({ examples: ['Mon-Fri 08:00-18:00 Europe/Berlin'] }),
  })
  .meta({ title: 'conditions' });
const hasOneList = (w: z.infer<typeof conditions>) => w.oncall === undefined || w.members === undefined;
const ONE_LIST = { path: ['oncall'], message: 'stands beside members: write members: { ..., oncall: [...] }' };
export const when = conditions
  .refine((w) => Object.keys(w).length > 0, 'has no condition: it would hold always')
  .refine(hasOneList, ONE_LIST);
/** What the policy itself approves is counted by the day; that a step is not needed is not. */
const unless = conditions
  .omit({ perDay: true })
  .meta({ title: 'conditions of a step' })
  .refine((w) => Object.keys(w).length > 0, 'has no condition: it would hold always')
  .refine(hasOneList, ONE_LIST);
/** One entry without its list. The two keys are checked here, not by their types, so that what else is wrong is told in its place. */
export const shortAutomatic = conditions
  .superRefine((w, context) => {
    const problem = (key: 'members' | 'maximum', message: string) =>
      context.addIssue({ code: 'custom', path: [key], message, input: w });
    if (w.members === undefined && w.oncall === undefined)
      problem('members', 'expected users, groups, channels or oncall');
    if (w.maximum === undefined) problem('maximum', `expected ${DURATION_FORM}`);
  })
  .refine(hasOneList, ONE_LIST)
  .meta({ required: ['maximum'] });

const notify = z
  .strictObject({
    channel: channelId
      .optional()
      .describe(
        'the id of the channel in which requests are posted; left out: approvals.channel. The bot must be in it',
      )
      .meta({ examples: ['C0PAYMENTS1'] }),
    mention: z
      .enum(['approvers', 'oncall', 'none'])
      .default('approvers')
      .describe(
        'who is called by the message: all who may decide; those of them who are on call by a source of oncall (all of them where nobody is, or that can not be read); or nobody. Who is not called is named by words, and may decide all the same',
      ),
    direct: z.boolean().default(false).describe('approvers get a direct message with a link, too; 20 of them at most'),
    quiet: principals
      .default(NOBODY)
      .describe('approvers who are never called; a group in which they are is called one by one, without them'),
  })
  .describe('where a request is posted, and who is called; whoever asks never is');

const escalation = z.strictObject({
  after: duration.describe('since the step was asked; in a sequence: since the step before it was complete'),
  to: somebody.describe('who may decide this step too from then on'),
});
const step = z.strictObject({
  name: dnsLabel('the name of a step')
    .describe('what the step is called in messages and in the record')
    .meta({ examples: ['security'] }),
  from: somebody.describe('who may decide this step'),
  count: z.int().min(1).max(10).default(1).describe('how many of them must approve; each person counts for one step'),
  unless: unless.optional().describe('the step is not needed when all of these conditions hold'),
  escalate: z
    .array(escalation)
    .min(1)
    .max(5)
    .optional()
    .describe('who may decide this step too when it is not complete some time after it was asked'),
});
const steps = z
  .array(step)
  .min(1)
  .max(10)
  .superRefine((all, context) => {
    for (const [index, { name }] of all.entries())
      if (all.findIndex((other) => other.name === name) < index)
        context.addIssue({ code: 'custom', path: [index, 'name'], message: `'${name}' stands here twice`, input: all });
    if (all.every(({ unless }) => unless !== undefined))
      context.addIssue({
        code: 'custom',
        path: [],
        message: 'one step must have no unless: else nobody would decide (what needs no person is said by automatic)',
        input: all,
      });
  });
const note = z.enum(['optional', 'required', 'none']);
/** How people decide. */
export const approval = z
  .strictObject({
    order: z
      .enum(['parallel', 'sequence'])
      .default('parallel')
      .describe('parallel: all steps are asked at once; sequence: each when the one before it is complete'),
    steps: steps.optional().describe('who must approve; in the place of approvers and approvals'),
    note: z
      .strictObject({
        approve: note
          .optional()
          .describe(
            'whether an approval has a note: optional and required ask for it by a form; left out: one click approves, and /jit approve takes a note',
          )
          .meta({ examples: ['required'] }),
        deny: note
          .default('optional')
          .describe('whether a denial has a note; none: one click denies')
          .meta({ examples: ['required'] }),
      })
      .prefault({})
      .describe('words that come with a decision: the requester reads them, and they are in the audit'),
    notify: notify.prefault({}),
  })
  .describe('how people decide on a request');
const count = z.int().min(1).max(10_000).optional();
export const limits = z
  .strictObject({
    openPerPerson: count
      .describe('so many of this profile may wait or be open for one person at once')
      .meta({ examples: [2] }),
    perPersonADay: count
      .describe('so often one person may ask for this profile on a day of UTC, whatever comes of it')
      .meta({ examples: [10] }),
    open: count.describe('so many of this profile may wait or be open for everybody together').meta({ examples: [20] }),
  })
  .meta({ title: 'limits' })
  .describe('how much of it there may be; what is left out is not limited');

/** Slack shows no longer placeholder. https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element */
const LONGEST_TEMPLATE = 150;
export const reason = z
  .strictObject({
    min: z
      .int()
      .min(1)
      .max(LONGEST_REASON)
      .optional()
      .describe('a reason has so many characters at least; blanks around it do not count')
      .meta({ examples: [10] }),
    template: z
      .string()
      .max(LONGEST_TEMPLATE)
      .refine((text) => /\S/.test(text), 'is blank: expected what a good reason says')
      .optional()
      .describe('what a good reason says, shown in the empty field of the form; by itself it is none')
      .meta({ examples: ['What is broken, what will you do?'] }),
  })
  .meta({ title: 'reason' })
  .describe('what is asked of a reason');

/** Access without a decision, for an emergency: at once, told loudly, short, and reviewed afterwards. */
export const breakGlass = z
  .strictObject({
    from: somebody.describe(
      'who may break the glass, whether or not they are requesters; looked up as in any decision',
    ),
    maximum: duration.describe('the longest window; it is never extended'),
    perDay: z.int().min(1).max(100).default(2).describe('how often one person may, on a day of UTC'),
    review: z
      .strictObject({
        from: somebody.describe('who accepts or flags it afterwards; never whoever broke the glass'),
        within: duration
          .prefault('24h')
          .describe('administrators are told when nobody has by then; reviewers are asked again each day'),
      })
      .describe('what comes after it'),
  })
  .meta({ title: 'break-glass' })
  .describe(
    'access at once, without a decision, a ticket or limits other than its own; told in the channel and to administrators, and reviewed after its end',
  );
