import type { Reasons } from '../reasons.ts'

const UNSAID = 'where no reply comes, the message names the host and not what was asked'
const UNDEFINED = 'a fact that is undefined is not printed'

/** Why survivors of this room may live. */
export const CONJUR: Reasons = {
  'conjur/access-token.ts': [
    [
      'iat * 1000',
      'when a token was issued is used by the hand-over alone, and tested with it in agent',
    ],
  ],
  'conjur/address.ts': [
    ['let batches', 'a first batch of nothing is not asked for'],
    ['batches.at(-1)', 'there is always a batch'],
    ['[]', 'a first batch of nothing is not asked for', 'ArrayDeclaration'],
  ],
  'conjur/authenticate.ts': [
    ['options.login === undefined', UNDEFINED],
    ['code === undefined', UNDEFINED],
    ['serviceId === undefined', 'the path is made by the address; here it is words'],
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
  'conjur/refusal.ts': [
    ['code === undefined', UNDEFINED],
    ["error.kind === 'proxy'", 'the command to see it differs in words that this line shares'],
  ],
  'conjur/retrieve.ts': [
    ['first === undefined', 'of no ids none is asked for one line later'],
    ["'too long'", 'what is no reply is asked for in halves too, at the end'],
    ['reply.status === 404', 'no other answer names a variable'],
    ['error instanceof ConjurError', 'what is thrown here is a ConjurError, or has no facts'],
    ["headers['content-type'] ?? ''", 'neither text is HTML or JSON'],
    ["typeof error['message']", 'what is no text equals none'],
  ],
}
