import { writeSync } from 'node:fs'
import { awake, type Sleep } from './awake.ts'
import { openEngine, type EngineParts } from './engine.ts'
import { retryDelayMs } from './schedule.ts'
import { printWaking, WAKING, type Waking } from './waking.ts'

/** The exit code by which a waking tells the shell that it has said how long to sleep. */
const SAID = 75

/**
 * What sleeps between passes. It stays the first process of its container: it hears SIGTERM and SIGHUP
 * in every state, buries children whose parents are gone, and ends as an agent ends that fails.
 *
 * The agent runs below it, and says through a pipe for how many seconds to sleep and what to tell the
 * next one. The pipe is that of a here-document, opened again for writing: it needs no file where the
 * shell makes none (bash has no pipe for an empty one, and before 5.1 a file, hence the line and `>>`). A
 * signal sets `t` or `h` before anything is killed, and both are looked at after each start, so that
 * none is lost between two commands. One that reaches a child before it has become its program is:
 * hence SIGKILL for what counts seconds, and the second and third try of `end` for the agent.
 */
const SCRIPT = `
t=0 h=0 g=0 s= c= k=
trap 't=1 g=1; kill -TERM $c; kill -KILL $s' TERM INT
trap 'h=1 g=1; kill -HUP $c; kill -KILL $s' HUP
exec 5>&2 2>/dev/null 3<<END
-
END
read -r n <&3
exec 4>>/proc/self/fd/3
end() { kill -TERM $c; (sleep 1; kill -TERM $c; sleep 1; kill -KILL $c) >&- 5>&- & k=$!; }
n=$1 w=$2
shift 2
while :; do
  sleep "$n" >&- 5>&- & s=$! r=0
  if [ $t$h = 00 ]; then wait $s; r=$?; fi
  if [ $r -gt 0 ] && [ $r -lt 128 ]; then
    echo "cannot hibernate: sleep ends with $r" >&5
    exit $r
  fi
  kill -KILL $s && wait $s
  s=
  [ $t = 0 ] || exit 0
  h=0 g=0
  ${WAKING}=$w "$@" >&4 2>&5 3<&- 4>&- 5>&- & c=$!
  [ $t = 0 ] || end
  wait $c; r=$?
  while [ $g = 1 ]; do
    g=0
    if [ $t = 1 ] && [ -z "$k" ]; then end; fi
    wait $c; x=$?
    [ $x = 127 ] || r=$x
  done
  c=
  if [ $t = 1 ]; then kill $k; exit 0; fi
  case $r in
    ${SAID}) read -r n w <&3; [ $h = 0 ] || n=0 ;;
    129) n=0 ;;
    *) exit $r ;;
  esac
done
`

/** How the shell is to be started: it sleeps, and runs `command` when it wakes. */
export function sleeper(
  shell: string,
  { seconds, waking }: Sleep,
  command: readonly string[],
): readonly string[] {
  return [shell, '-c', SCRIPT, 'conjur-agent', String(seconds), printWaking(waking), ...command]
}

/** Tells the shell above how long to sleep; the exit code says that it has been told. */
export function tellSleeper({ seconds, waking }: Sleep): number {
  writeSync(1, `${seconds} ${printWaking(waking)}\n`)
  return SAID
}

/** Runs the passes of one waking, to the end of what they tell the application. */
export async function untilAsleep(
  parts: EngineParts,
  isRung: () => boolean,
  signal: AbortSignal,
): Promise<Sleep> {
  const { observer, assembly, loopOptions } = await openEngine(parts)
  const { groups } = parts.config
  try {
    const sleep = await awake(
      assembly.stages,
      {
        ...loopOptions,
        waking: parts.waking,
        variableIds: groups.flatMap(({ entries }) => entries.map(({ variableId }) => variableId)),
        isRung,
        onPass(report, next) {
          observer.passed(report, next)
          assembly.reloader.published(report.published, signal)
        },
      },
      signal,
    )
    await assembly.reloader.idle()
    return sleep
  } finally {
    await Promise.all([assembly.close(), observer.close()])
  }
}

/** How long to sleep where a waking finds a configuration that cannot be read: longer each time. */
export function sleepOver(waking: Waking, random: () => number): Sleep {
  const attempt = waking.attempt + 1
  const waitMs = retryDelayMs({
    attempt,
    baseMs: 1000,
    capMs: 60_000,
    jitter: random(),
    retryAfterMs: undefined,
    tokenLeftMs: undefined,
  })
  return { seconds: Math.ceil(waitMs / 1000), waking: { ...waking, attempt } }
}
