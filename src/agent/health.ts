import { OVERDUE_MS } from '../core/overdue.ts'
import type { StatusDocument } from './status.ts'

/** Whether the loop turns: the next pass is not long overdue. */
export function liveness(status: StatusDocument, now: number): { ok: boolean; reasons: string[] } {
  const { nextPassAt } = status
  const overdueMs = nextPassAt === undefined ? 0 : now - Date.parse(nextPassAt)
  return overdueMs <= OVERDUE_MS
    ? { ok: true, reasons: [] }
    : { ok: false, reasons: [`the next pass is ${Math.round(overdueMs / 1000)} s overdue`] }
}

/** Whether the application finds everything it needs: all outputs published, nothing expired or too old since. */
export function readiness(status: StatusDocument, now: number): { ok: boolean; reasons: string[] } {
  const { accessToken } = status
  const expired = accessToken !== undefined && Date.parse(accessToken.expiresAt) <= now
  const stale = status.outputs.filter(
    ({ staleAt }) => staleAt !== undefined && Date.parse(staleAt) <= now,
  )
  const reasons = [
    ...status.reasons,
    ...(expired ? ['the access token is expired'] : []),
    ...stale.map(({ name }) => `${name} is older than it may be`),
  ]
  return { ok: reasons.length === 0, reasons }
}
