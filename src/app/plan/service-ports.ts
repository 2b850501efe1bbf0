import { Refusal } from '../../domain/errors.ts';
import type { PortRef } from '../../domain/plan/confinement.ts';
import type { FrontService } from '../ports/survey.ts';

/** What a Service as the target means for a plan's ports. Pure. */

const text = ({ port, protocol }: PortRef): string => `${port}/${protocol}`;
const list = (ports: readonly PortRef[]): string => [...new Set(ports.map(text))].join(', ');
const among = (ports: readonly PortRef[]) => (one: PortRef) => ports.some((other) => text(other) === text(one));

/**
 * The container ports that a profile names, as far as the Service arrives on them.
 * @throws Refusal when it arrives on none of them
 */
export function portsWithin(rule: string, service: FrontService, named: readonly PortRef[]): readonly PortRef[] {
  const within = named.filter(among(service.ports));
  if (within.length === 0)
    throw new Refusal(
      rule,
      `Service ${service.name} arrives on ${list(service.ports)}, and this profile opens only ${list(named)}.`,
      'Ask for another Service, or for another profile.',
    );
  return within;
}

/** What people must know who dial a Service: policies open container ports. */
export function serviceNotes(service: FrontService | null, opened: readonly PortRef[]): string[] {
  if (service === null || service.ports.length === 0) return [];
  const name = `Service ${service.name}`;
  const isOpen = among(opened);
  const open = service.ports.filter(isOpen);
  const closed = service.ports.filter((port) => !isOpen(port));
  const told = service.headless
    ? [`${name} is headless: its name leads to the pods themselves, dialled on ${list(open)}.`]
    : open
        .filter(({ dialled, port }) => dialled !== port)
        .map((port) => `${name}: dialled on ${port.dialled}, arrives on ${text(port)}.`);
  return closed.length === 0 ? told : [...told, `${name} also has ${list(closed)}, which this profile does not open.`];
}
