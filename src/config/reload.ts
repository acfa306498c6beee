import { constants } from 'node:os'
import { isAbsolute } from 'node:path'

/** One way to tell an application that its files have changed. */
export type ReloadAction =
  | {
      readonly kind: 'signal'
      readonly signal: NodeJS.Signals
      /** A process name, or the absolute path of a file that holds a process id. */
      readonly target: string
    }
  | { readonly kind: 'post'; readonly url: URL }
  | { readonly kind: 'touch'; readonly path: string }
  | { readonly kind: 'exec'; readonly command: readonly [string, ...string[]] }

/**
 * Reads actions, one a line: `signal HUP nginx`, `signal HUP /run/nginx.pid`,
 * `post http://127.0.0.1:8080/reload`, `touch /path`, `exec ["/bin/reload", "now"]`.
 * What cannot be read is answered with the reason.
 */
export function parseReload(text: string): readonly ReloadAction[] | string {
  const actions: ReloadAction[] = []
  for (const line of text.split('\n').map((line) => line.trim())) {
    if (line === '') continue
    const action = parseLine(line)
    if (typeof action === 'string') return `"${line}" ${action}`
    actions.push(action)
  }
  return actions
}

function parseLine(line: string): ReloadAction | string {
  const [, kind = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  switch (kind) {
    case 'signal':
      return parseSignal(rest)
    case 'post':
      return parsePost(rest)
    case 'touch':
      return isAbsolute(rest) ? { kind, path: rest } : 'needs an absolute path'
    case 'exec':
      return parseExec(rest)
    default:
      return 'is none of signal, post, touch and exec'
  }
}

function parseSignal(rest: string): ReloadAction | string {
  const [name = '', target = '', ...more] = rest.split(/\s+/)
  const signal = `SIG${name.toUpperCase().replace(/^SIG/, '')}`
  if (!isSignal(signal)) return `names no signal such as HUP or USR1`
  if (target === '' || more.length > 0) return 'needs a signal, then a process name or a pid file'
  return { kind: 'signal', signal, target }
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}

function parsePost(rest: string): ReloadAction | string {
  if (!URL.canParse(rest)) return 'needs a URL such as http://127.0.0.1:8080/reload'
  const url = new URL(rest)
  if (url.protocol !== 'http:') return 'needs an http URL'
  // What answers there is in this pod: nothing is told to anyone else.
  if (!/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) {
    return 'needs an address on loopback'
  }
  return { kind: 'post', url }
}

function parseExec(rest: string): ReloadAction | string {
  const words = jsonOrNothing(rest)
  const isList = Array.isArray(words) && words.every((word) => typeof word === 'string')
  const [program, ...args]: readonly unknown[] = isList ? words : []
  if (typeof program !== 'string' || !isAbsolute(program)) {
    return 'needs a JSON list such as ["/bin/reload", "now"]: an absolute path, then arguments; no shell reads it'
  }
  return { kind: 'exec', command: [program, ...args.filter((word) => typeof word === 'string')] }
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
