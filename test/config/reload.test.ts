import { describe, expect, test } from 'vitest'
import { parseReload } from '../../src/config/reload.ts'

describe('P6 actions are read from text', () => {
  test('one a line', () => {
    const actions = parseReload(
      'signal HUP nginx\n signal SIGUSR1 /run/app.pid\npost http://localhost:1/x\n\ntouch /a b\nexec ["/bin/x","$(y)"]',
    )

    expect(actions).toEqual([
      { kind: 'signal', signal: 'SIGHUP', target: 'nginx' },
      { kind: 'signal', signal: 'SIGUSR1', target: '/run/app.pid' },
      { kind: 'post', url: new URL('http://localhost:1/x') },
      { kind: 'touch', path: '/a b' },
      { kind: 'exec', command: ['/bin/x', '$(y)'] },
    ])
  })

  test.each([
    ['restart', '"restart" is none of signal, post, touch and exec'],
    ['signal FOO app', '"signal FOO app" names no signal such as HUP or USR1'],
    ['signal HUP', '"signal HUP" needs a signal, then a process name or a pid file'],
    ['post https://127.0.0.1/', '"post https://127.0.0.1/" needs an http URL'],
    ['post http://169.254.169.254/', '"post http://169.254.169.254/" needs an address on loopback'],
    [
      'post http://127.0.0.1.evil.com/',
      '"post http://127.0.0.1.evil.com/" needs an address on loopback',
    ],
    ['touch relative', '"touch relative" needs an absolute path'],
    [
      'exec /bin/x',
      '"exec /bin/x" needs a JSON list such as ["/bin/reload", "now"]: an absolute path, then arguments; no shell reads it',
    ],
    [
      'exec ["x"]',
      '"exec ["x"]" needs a JSON list such as ["/bin/reload", "now"]: an absolute path, then arguments; no shell reads it',
    ],
  ])('%s is refused', (text, expected) => {
    expect(parseReload(text)).toBe(expected)
  })
})
