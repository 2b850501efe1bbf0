import { registerApprovalMessage } from './approval-message/handlers.ts';
import { registerCommand } from './command/handlers.ts';
import type { SurfaceContext } from './context.ts';
import { registerToken } from './direct-messages/token.ts';
import { registerForm } from './form/handlers.ts';
import { registerHome } from './home/handlers.ts';

/** What Slack sends, turned into use cases and their results into words. Handlers ack, parse, delegate, render; they hold no rules. */
export function registerSurfaces(context: SurfaceContext): void {
  registerCommand(context);
  registerForm(context);
  registerHome(context);
  registerApprovalMessage(context);
  registerToken(context);
}
