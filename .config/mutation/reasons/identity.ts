import type { Reasons } from '../reasons.ts'

/** Why survivors of this room may live. */
export const IDENTITY: Reasons = {}
