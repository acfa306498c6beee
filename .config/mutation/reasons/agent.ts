import type { Reasons } from '../reasons.ts'

const FILLED = 'a pass that logged in has a token'
const OMITTED = 'what is undefined is not written to the document'

/** Why survivors of this room may live. */
export const AGENT: Reasons = {
  'agent/cycle.ts': [
    [
      'does not know the token of the file',
      'this error is caught a few lines above and answered by a login: nobody sees it',
    ],
    [
      'a new one is fetched',
      'this error is caught a few lines above and answered by a login: nobody sees it',
    ],
    [
      'retryable: true',
      'this error is caught a few lines above and answered by a login: nobody sees it',
    ],
    ['} catch {', 'spreading nothing adds nothing'],
  ],
  'agent/hand-over.ts': [['SKEW_MS', 'a millisecond of a tolerance of minutes']],
  'agent/health.ts': [['staleAt !== undefined', 'no date that is not there is past']],
  'agent/leader.ts': [
    ['another replica leads', 'the reason of an end that nobody reads'],
    ['LEASE_SECONDS * 1000', 'a millisecond of a Lease of 15 s'],
    ["told === 'leading'", 'who does not hold the Lease gives nothing back: it looks first'],
    ['held.endsAt <= now', 'a millisecond of a Lease of 15 s'],
    ['} catch {', 'a Lease that cannot be reached is neither ours nor another’s either way'],
  ],
  'agent/loop.ts': [
    ['no longer waiting', 'the reason of an end that nobody reads'],
    ['() => false', 'both mean that nobody rang'],
    ['over.abort', 'a wait that is over ends by itself, only later'],
    ['finally {', 'a wait that is over ends by itself, only later'],
  ],
  'agent/narrate.ts': [
    ['held?.token', FILLED],
    ["'once'", 'that there is a word is all that is asked'],
  ],
  'agent/observe.ts': [
    ['the port cannot be had', 'Node never throws anything but an Error'],
    ["'unknown'", 'Node never throws anything but an Error'],
    ["=== 'off' &&", 'what follows serves nothing where both are off'],
    ['throwIfNoEntry', 'what is not there is caught below'],
    ['existsSync(directory)', 'without a directory the write fails, which is told to who debugs'],
  ],
  'agent/once.ts': [['error === undefined', 'without an error there is no second try either']],
  'agent/places.ts': [['dirname(directory) === directory', 'the root is always there']],
  'agent/status.ts': [
    ['next.retry?.attempt', 'where something failed there is a retry'],
    ['changedAt === undefined', OMITTED],
    ['staleAt === undefined', OMITTED],
    ['dueMs === undefined', OMITTED],
    ["typeof variable === 'string'", OMITTED],
  ],
  'agent/waking.ts': [
    ["exec(text ?? '')", 'neither text is what a waking prints'],
    ["checkedAt = ''", 'each part of the pattern is there, if empty'],
  ],
}
