/** The rooms whose tests are put to the proof. */
export const ROOMS = ['agent', 'conjur', 'identity', 'injector', 'outputs'] as const

/**
 * Files that only the built program runs: they start processes, catch signals, wire rooms together. A mutant does
 * not reach a process that a test starts, so the journey suites, which attack these, would not count.
 */
export const PROCESS_ONLY: Readonly<Record<string, readonly string[]>> = {
  agent: [
    'assemble',
    'awake',
    'child',
    'clock',
    'dumps',
    'engine',
    'exec',
    'hibernate',
    'inputs',
    'secret-store',
    'shell',
    'small',
    'start',
    'traced',
    'wake',
    'watch',
  ],
}

/** Of the injector, what decides; the rest is a server and its certificates. */
const INJECTOR = ['annotations', 'containers', 'missed', 'patch', 'quantity', 'review']

/** What is broken in a room, as Stryker names files. */
export function mutated(room = ''): readonly string[] {
  if (room === 'injector') return INJECTOR.map((name) => `src/injector/${name}.ts`)
  const left = (PROCESS_ONLY[room] ?? []).map((name) => `!src/${room}/${name}.ts`)
  return [`src/${room}/**/*.ts`, ...left]
}

/** Suites of a room that stand elsewhere. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  conjur: ['test/interop/client-replay.test.ts'],
  identity: ['test/contract/identity-source.test.ts'],
}

/** Suites that are not asked: they simulate hours, start the program, or kill processes by the thousand. */
export const LEFT_OUT: readonly string[] = [
  'test/agent/herd.test.ts',
  'test/injector/process.test.ts',
  'test/outputs/volume-readers.test.ts',
]

/** A room's suites that run our code in their own process: a program that a test starts is built, and holds no mutant. */
export function suites(room: string): readonly string[] {
  return [`test/${room}/**/*.test.ts`, ...(ELSEWHERE[room] ?? [])]
}
