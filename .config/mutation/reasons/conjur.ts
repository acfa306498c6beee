import type { Reasons } from '../reasons.ts'

const UNSAID = 'where no reply comes, the message names the host and not what was asked'
const UNDEFINED = 'a fact that is undefined is not printed'

/** Why survivors of this room may live. */
export const CONJUR: Reasons = {
  'conjur/address.ts': [
    ['batchUrl(place, [])', 'only the path of this address is used, and ids stand in its query'],
    ['batches.at(-1)', 'the first id makes the first batch'],
  ],
  'conjur/authenticate.ts': [
    ['options.login === undefined', UNDEFINED],
    ['code === undefined', UNDEFINED],
  ],
  'conjur/inspect.ts': [
    ["what: 'authenticators'", UNSAID],
    ['the list of', UNSAID],
    ["'the status'", UNSAID],
    ["'whoami'", UNSAID],
    ['} catch {', 'the function ends with undefined either way'],
  ],
  'conjur/list.ts': [
    ['one.id < other.id', 'no id stands twice'],
    ['what: WHAT', UNSAID],
    ['reply.status !== 200', 'an answer of another status is no list, which is refused next'],
    ['Array.isArray(secrets)', 'what is no version has no end'],
    ["typeof text === 'string'", 'what is no text is no date'],
    ['} catch {', 'the function ends with undefined either way'],
  ],
  'conjur/refusal.ts': [['code === undefined', UNDEFINED]],
  'conjur/retrieve.ts': [
    ['first === undefined', 'no batch is empty, and halves of two ids or more are not'],
    ["'too long'", 'what is no reply is asked for in halves too, at the end'],
    ['reply.status === 404', 'no other answer names a variable'],
    ["headers['content-type'] ?? ''", 'neither text is HTML or JSON'],
    ["typeof error['message']", 'what is no text equals none'],
  ],
}
