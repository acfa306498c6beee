import { serviceName, type Attempt } from './authn/attempt.ts'
import type { Refusal } from './refusal.ts'

/**
 * One line about a refused login: status, service, login, code, what was compared with what, and
 * the line of policy that decides. Holds claims and annotations, never a token or a key.
 */
export function explainRefusal(
  status: number,
  attempt: Attempt,
  failed: { readonly login: string | undefined; readonly refusal: Refusal },
): string {
  const { code, message, reason } = failed.refusal
  const because = reason?.because ?? message.slice(code.length + 1)
  const place = reason?.place
  const at = place === undefined ? '' : ` (${place.file}:${place.line})`
  const who = failed.login === undefined ? 'nobody' : failed.login
  return `${status} ${serviceName(attempt)} ${who} ${code} ${because}${at}`
}
