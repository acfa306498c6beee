import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { AdmissionError, ConfigError, UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { briefly, connect } from '../kubernetes/cluster.ts'
import { podLister } from '../kubernetes/pods.ts'
import { agentCheck, knownAnnotations } from './agent-check.ts'
import { loadSettings } from './load-settings.ts'
import type { MissedPod } from './missed.ts'
import { patchManifests, type ManifestVerdict } from './offline.ts'
import { findMissed } from './witnesses.ts'

/** What a run prints, where and with which exit code it ends. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** `conjur-agent inject -f FILE`, or `--audit` for the pods that run already. */
export async function inject(
  invocation: Invocation,
  stdin: NodeJS.ReadableStream,
): Promise<Printed> {
  const { flags } = invocation
  const file = flags['file']
  if (flags['audit'] === true) return audit(invocation)
  if (typeof file === 'string') return patch(invocation, { file, stdin })
  throw new UsageError('USAGE', 'inject needs a manifest', {
    hint: 'conjur-agent inject -f FILE, - for stdin; --audit looks at the pods of a cluster',
  })
}

async function patch(
  invocation: Invocation,
  { file, stdin }: { file: string; stdin: NodeJS.ReadableStream },
): Promise<Printed> {
  const { injection: settings } = await loadSettings(invocation)
  const manifests = await readManifests(file, stdin)
  const namespace = invocation.flags['namespace']
  const { text, verdicts, unreadable } = await patchManifests(manifests, {
    settings,
    known: knownAnnotations(),
    check: agentCheck,
    namespace: typeof namespace === 'string' ? namespace : 'default',
  })
  const refused = verdicts.filter(({ verdict }) => verdict.outcome === 'refused')
  if (refused.length > 0 || unreadable.length > 0) {
    const count = refused.length + unreadable.length
    throw new AdmissionError(
      refused.length > 0 ? 'ADMISSION_REFUSED' : 'ADMISSION_MALFORMED',
      `${count === 1 ? 'one manifest' : `${count} manifests`} of ${file} cannot be injected as asked`,
      {
        hint: `correct ${file} at the lines above; nothing was written`,
        lines: [...unreadable, ...refused.flatMap(refusalLines)],
      },
    )
  }
  return { stdout: text, stderr: verdicts.flatMap(reportLines).join(''), code: 0 }
}

async function readManifests(file: string, stdin: NodeJS.ReadableStream): Promise<string> {
  if (file === '-') return text(stdin)
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `${file} cannot be read`, {
      hint: `ls -l ${file}`,
      facts: { path: file },
      cause,
    })
  }
}

function refusalLines({ kind, namespace, name, verdict }: ManifestVerdict): readonly string[] {
  return verdict.problems.map((problem) => `${kind} ${namespace}/${name}: ${problem}`)
}

function reportLines({ kind, namespace, name, verdict }: ManifestVerdict): readonly string[] {
  const symbol = verdict.outcome === 'injected' ? '✓' : '–'
  const what = `${symbol} ${kind} ${namespace}/${name}: ${verdict.outcome} (${verdict.reason})\n`
  return [what, ...verdict.warnings.map((warning) => `! ${warning}\n`)]
}

async function audit(invocation: Invocation): Promise<Printed> {
  const { injection: settings } = await loadSettings({
    ...invocation,
    // An audit injects nothing, so it needs no image.
    flags: { image: 'none', ...invocation.flags },
  })
  const namespace = invocation.flags['namespace']
  let missed: readonly MissedPod[]
  try {
    const list = podLister(await connect())
    missed = await findMissed(list, settings, typeof namespace === 'string' ? namespace : undefined)
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `pods cannot be listed: ${briefly(cause)}`, {
      hint: 'kubectl auth can-i list pods --all-namespaces, with the same KUBECONFIG',
      cause,
    })
  }
  const code = missed.length === 0 ? 0 : 8
  if (invocation.flags['json'] === true) {
    const document = { schema: 'conjur-agent/inject-audit/v1', ok: code === 0, missed }
    return { stdout: `${JSON.stringify(document)}\n`, stderr: '', code }
  }
  const rows = missed.map(({ namespace: at, name, why }) => [at, name, why].join('\t'))
  const verdict =
    code === 0
      ? '✓ every opted-in pod runs with the agent\n'
      : `✗ ${missed.length === 1 ? 'one opted-in pod runs' : `${missed.length} opted-in pods run`} without the agent\n`
  return { stdout: rows.map((row) => `${row}\n`).join(''), stderr: verdict, code }
}
