import { readFileSync, writeFileSync } from 'node:fs'
import * as v from 'valibot'

/** Makes docs/reliability.md of what `npm run test:soak` left in docs/reliability/results.json: no figure is typed by hand. */

const numbers = v.record(v.string(), v.number())
const results = v.record(
  v.string(),
  v.object({
    tried: numbers,
    lost: numbers,
    seen: v.optional(v.record(v.string(), v.union([v.number(), v.string()]))),
    seconds: v.number(),
    machine: v.string(),
    date: v.string(),
  }),
)

/** What each suite does to the program, in the order of the promises, and where it stands. */
const SUITES: readonly {
  readonly name: string
  readonly file: string
  readonly what: string
}[] = [
  {
    name: 'P1 kills',
    file: 'p1-kills',
    what: 'The built program is killed by SIGKILL at random points of its passes, with a reader at full speed that takes single files, whole sets and the directory in turn.',
  },
  {
    name: 'P1 system calls',
    file: 'p1-faults',
    what: 'By strace the program is killed at each system call of a pass on the volumes, and each of these calls fails once with ENOSPC, EIO, EMFILE or EROFS.',
  },
  {
    name: 'P1 volumes',
    file: 'p1-volumes',
    what: 'A real tmpfs that is too small, without a free inode, remounted read-only, unmounted during the passes; a status volume without room.',
  },
  {
    name: 'P2 sidecar',
    file: 'p2-leaks',
    what: 'Every value, token, signature and header is looked for (as it is, in base64 at each offset, in hexadecimal, percent-encoded, backwards) in log, metrics, status, traces, argv, diagnostic reports and file names, through every fault. The hunter itself is proven by planting.',
  },
  {
    name: 'P3 outages on a fake clock',
    file: 'p3-clock',
    what: 'Tokens of 30 s to 8 h and outages of every length at every moment, on the real engine over a fake clock.',
  },
  {
    name: 'P3 clocks that jump',
    file: 'p3-clock',
    what: "The machine's clock is up to ten minutes wrong and jumps.",
  },
  {
    name: 'P8 swapped directories (set)',
    file: 'planted-links',
    what: 'Who may write the secrets directory too turns its directories into links that lead out of it, and back, as fast as it can, while sets are published by one swap.',
  },
  {
    name: 'P8 swapped directories (each)',
    file: 'planted-links',
    what: 'The same, while each file is published for itself. With directories that are looked up by path anew, files were led out here.',
  },
  {
    name: 'P3 clocks of a process',
    file: 'p3-process',
    what: 'The built program under libfaketime, with a wall clock ten minutes fast, ten minutes slow, or jumping between the two each second, access tokens of 8 s and a new platform token each second.',
  },
  {
    name: 'P4 answers',
    file: 'p4-answers',
    what: 'A server in front of Conjur answers reads as firewalls, proxies, portals and wrong addresses do, in a sidecar with one group of many values; then one variable is truly revoked.',
  },
  {
    name: 'P7 signals',
    file: 'p7-states',
    what: 'SIGTERM, SIGINT and SIGHUP (with SIGTERM behind it) to sidecar and init in each state: idle, inside the rename of the set, in a back-off, in a TCP connect that nobody answers, in a TLS handshake that never ends, before and in the middle of an answer, at a metadata service that refuses, at a mute name server, during a command that tells the application.',
  },
  {
    name: 'P10 a week of rotations',
    file: 'p10-week',
    what: 'Values and platform tokens are rotated once a minute for a simulated week, with access tokens of 90 s.',
  },
  {
    name: 'P10 rotations of a process',
    file: 'p10-process',
    what: 'The built program while everything it reads is replaced once a second. The CA bundle gets another stranger each time and keeps the right one: the server keeps its certificate.',
  },
  {
    name: 'soak',
    file: 'soak',
    what: 'A sidecar that refreshes every second, with a rotation each second, a fault every seven, a new platform token every thirty, SIGHUP and scrapes in between.',
  },
]

const found = v.parse(results, JSON.parse(readFileSync('docs/reliability/results.json', 'utf8')))

writeFileSync('docs/reliability.md', page())

function page(): string {
  return `# Reliability

For who decides whether to trust it: what was done to the program, how often, and what was lost. The figures come from runs of the
built program on the day named, of that day's code, not always the last; \`npm run test:soak\` repeats them all (about an hour and a half on two cores, root for strace and mounts) and writes
them here. A short profile of each suite is part of \`npm test\`. How ten thousand agents behave together is in [scale.md](scale.md); who attacks
what, and by which test it is held off, in [security.md](security.md).

${SUITES.map((suite) => section(suite)).join('\n\n')}

![Memory, handles and files over the hour](reliability/soak.svg)

Memory may grow by 4 MiB an hour after a fifth of the time; more fails the suite. What brought it there is in [small-at-rest.md](decisions/small-at-rest.md).

## What is promised by other suites

| promise | suites in \`npm test\` |
|---|---|
| P3 outages of a real process | \`test/journey/sidecar.test.ts\`, \`test/journey/followers.test.ts\`, \`test/journey/hibernate.test.ts\` |
| P4 nothing good is removed | \`test/agent/cycle.test.ts\`, \`test/agent/one-server.test.ts\`, \`test/conjur/retrieve.test.ts\`, \`test/journey/connections.test.ts\` |
| P5 exit codes and two lines | \`test/journey/bad-input.test.ts\`, \`test/conjur/refusal.test.ts\`, \`test/agent/verdict.test.ts\` |
| P6 configuration reported whole | \`test/config/load.test.ts\`, \`test/injector/annotations.test.ts\`, \`test/injector/words.test.ts\` |
| P7 ends within a second, other commands | \`test/journey/signals.test.ts\`, \`test/journey/hibernate.test.ts\`, \`test/attack/network.test.ts\` |
| P8 trust settings | \`test/attack/network.test.ts\`, \`test/injector/annotations.test.ts\` |
| P9 no herd | \`test/agent/herd.test.ts\` |

## Not proven

- Growth over days: the soak ran for an hour, at a pass a second as many passes as a sidecar makes in twelve days at the five minutes it takes by itself.
- Power cuts: the volumes are memory, so there is nothing to order on a disk; a secrets directory on a disk is written by rename, not by fsync.
- Two agents on one volume: a reader of a single name may see ENOENT for a moment; who opens \`..data\` once does not.
- Suspend and resume are played by SIGSTOP and SIGCONT alone, the wall clock by libfaketime; the clock of no whole machine was changed.
`
}

function section({ name, file, what }: (typeof SUITES)[number]): string {
  const result = found[name]
  const head = `## ${name}\n\n${what}`
  if (result === undefined)
    return `${head}\n\nNot run yet in the long profile: \`${commandOf(file)}\`.`
  const { tried, lost, seen = {}, seconds, machine, date } = result
  return `${head}

| | |
|---|--:|
${rows('tried: ', tried)}
${rows('**lost**: ', lost)}${Object.keys(seen).length === 0 ? '' : `\n${rows('', seen)}`}

${date}, ${machine}, ${seconds} s: \`${commandOf(file)}\``
}

function rows(before: string, facts: Readonly<Record<string, number | string>>): string {
  return Object.entries(facts)
    .map(
      ([what, value]) =>
        `| ${before}${what} | ${typeof value === 'number' ? value.toLocaleString('en') : value} |`,
    )
    .join('\n')
}

function commandOf(file: string): string {
  return `npm run test:soak -- test/attack/${file}.test.ts`
}
