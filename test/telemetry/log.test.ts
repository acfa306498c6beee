import { expect, test } from 'vitest'
import { createLogger } from '../../src/telemetry/log.ts'
import { Secret } from '../../src/core/secret.ts'

function logging(pretty = false): { lines: string[]; log: ReturnType<typeof createLogger> } {
  const lines: string[] = []
  const log = createLogger({
    level: 'debug',
    pretty,
    destination: { write: (line) => lines.push(line) },
  })
  return { lines, log }
}

const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl'
const conjur = '{"protected":"Y2FuYXJ5?>","payload":"Y2FuYXJ5","signature":"Y2FuYXJ5"}'

test('a line is one JSON object with time, level, code and message', () => {
  const { lines, log } = logging()

  log.info({ code: 'STARTED', mode: 'sidecar' }, 'starting')

  expect(JSON.parse(lines.join(''))).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    code: 'STARTED',
    mode: 'sidecar',
    msg: 'starting',
  })
})

test.each([
  ['in a message', (log: ReturnType<typeof createLogger>) => log.info(`got ${jwt}`)],
  ['in a fact', (log: ReturnType<typeof createLogger>) => log.info({ deep: { token: jwt } }, 'x')],
  [
    'in an error',
    (log: ReturnType<typeof createLogger>) => log.error({ err: new Error(jwt) }, 'x'),
  ],
  ['as a header', (log: ReturnType<typeof createLogger>) => log.info('Token token="Y2FuYXJ5"')],
  [
    'in base64',
    (log: ReturnType<typeof createLogger>) => log.info(Buffer.from(conjur).toString('base64')),
  ],
  [
    'in base64url',
    (log: ReturnType<typeof createLogger>) => log.info(Buffer.from(conjur).toString('base64url')),
  ],
  [
    'percent-encoded',
    (log: ReturnType<typeof createLogger>) => log.info(`jwt=${jwt.replaceAll('.', '%2E')}`),
  ],
  [
    'as a Conjur token',
    (log: ReturnType<typeof createLogger>) =>
      log.info('{"protected":"Y2FuYXJ5","payload":"Y2FuYXJ5"}'),
  ],
  [
    'as a Secret',
    (log: ReturnType<typeof createLogger>) => log.info({ value: new Secret('Y2FuYXJ5') }, 'x'),
  ],
])('P2 a token %s is cut out of the line', (_where, write) => {
  for (const pretty of [false, true]) {
    const { lines, log } = logging(pretty)

    write(log)

    expect(lines.join('')).toContain('[redacted]')
    expect(lines.join('')).not.toMatch(/eyJzdWIi|eyJwcm90|Y2FuYXJ5/)
  }
})

test('an error is shown by code, message and facts, without its stack', () => {
  const { lines, log } = logging()

  log.error({ err: Object.assign(new Error('away'), { code: 'X', facts: { host: 'h' } }) }, 'x')

  expect(JSON.parse(lines.join('')).err).toEqual({
    code: 'X',
    message: 'away',
    facts: { host: 'h' },
  })
})

test('on a terminal a line is time, level, message and facts', () => {
  const { lines, log } = logging(true)

  log.warn({ code: 'RETRY', waitMs: 5 }, 'again')

  expect(lines.join('')).toMatch(/^\d\d:\d\d:\d\d warn {2}again {2}code=RETRY {2}waitMs=5\n$/)
})
