import type { Reasons } from '../reasons.ts'

const ROOT =
  'the tests run as root, whom no file refuses; the test for other users is skipped there'
const CODED = 'the file system never throws an error without a code'
const CLOSED = 'a descriptor that stays open changes no answer; the soak test counts them'

/** Why survivors of this room may live. */
export const IDENTITY: Reasons = {
  'identity/arc-challenge.ts': [
    [
      'const isPlain',
      'the directory compared with is itself absolute and plain, so no other path is in it',
    ],
    ["'code' in cause", CODED],
    ['finally {', CLOSED],
    ["'EACCES'", ROOT],
    ["'IDENTITY_REFUSED',", ROOT],
    ['may not be read', ROOT],
    ['usermod', ROOT],
    ['      {', ROOT, 'ObjectLiteral'],
  ],
  'identity/ask.ts': [
    ['expiresAt <= issuedBy.now', 'nothing is smaller than an end that is not known'],
    ['error instanceof IdentityError', 'what is called above throws nothing else'],
    [
      'about.now === undefined',
      'an answer for which no clock is given is final: no wait is read off it',
    ],
    ["headers['date']", 'neither text is a date'],
  ],
  'identity/aws-instance.ts': [["?? ''", 'splitting a text gives at least one part']],
  'identity/aws-reply.ts': [
    ['expiresAt !== undefined', 'nothing is smaller than an end that is not known'],
  ],
  'identity/aws-web-identity.ts': [
    ["code ?? ''", 'neither text begins with a code'],
    ['new RegExp', 'a match always has its group'],
  ],
  'identity/azure-app-service.ts': [
    ['/^https?:$/', 'a protocol has one colon, and it is the last character'],
  ],
  'identity/azure-arc.ts': [
    ["url.hostname === 'localhost'", 'the endpoints tried are localhost and 127.0.0.1'],
    ['error instanceof IdentityError', 'reading a challenge throws nothing else'],
  ],
  'identity/azure-workload.ts': [
    ["json?.['error_codes']", 'it is read of a refusal that has an error field, so it is JSON'],
    ["'error_description'", 'neither text holds a code'],
  ],
  'identity/certificate-request.ts': [['.{64}', 'PEM is read with lines of any length']],
  'identity/claims.ts': [
    ['audience !== undefined', 'the word undefined is no audience of Kubernetes'],
    ["typeof iss === 'string'", 'the word undefined does not end in v2.0'],
  ],
  'identity/command.ts': [
    ["'code' in cause", 'a program that cannot be started always has a code'],
    ["'a signal'", 'Node names the signal wherever there is no exit code'],
    ['once: true', 'both listeners are removed at the end; an event comes once'],
    ['removeEventListener', 'a listener that stays kills a group that is gone'],
    ['child.stdout?.on', 'a pipe was asked for, so there is one'],
    ['child.pid === undefined', 'killing the group of nobody throws, which is caught'],
  ],
  'identity/expiry.ts': [
    ['text.replace', 'with anything before or behind it is no date, in this form or the other'],
  ],
  'identity/k8s-certificate.ts': [
    ['signal.throwIfAborted', 'who asks again does so first'],
    ['LAST_MOMENT_MS', 'a millisecond of a certificate that is replaced half a minute early'],
    ["'Content-Type'", 'the simulated Conjur reads any type'],
    ['force: true', 'the file was read a moment ago'],
    ['reply.status === 200', 'Conjur answers 202; 200 is for proxies that change it'],
    ['value: true', 'that there is a value is all that is looked at'],
    [
      'readFile(certificatePath',
      'bytes are searched as text, and neither default is a certificate',
    ],
    ['} catch {', 'the function ends with undefined either way'],
  ],
  'identity/oidc-discovery.ts': [['endpoint === undefined', 'the word undefined is no URL']],
  'identity/projected-token.ts': [
    ["'utf8', 0, length", 'a JWT is ASCII'],
    ["'code' in cause", CODED],
    ['finally {', CLOSED],
    ['closeSync', CLOSED],
    ["'EACCES'", ROOT],
    ["'EPERM'", ROOT],
    ["'IDENTITY_REFUSED',", ROOT],
    ['may not be read', ROOT],
    ['fsGroup', ROOT],
    ['        {', ROOT, 'ObjectLiteral'],
  ],
  'identity/source.ts': [
    ['expiresAt !== undefined', 'nothing is smaller than an end that is not known'],
  ],
  'identity/token-request.ts': [
    ['again === undefined', 'a rule that is undefined and none are the same'],
  ],
}
