import { isMap, isSeq, parseDocument, type Document } from 'yaml'
import { isRecord } from '../core/json.ts'
import type { Operation } from './patch.ts'
import { readPod } from './pod.ts'
import { reviewPod, type ReviewContext, type Verdict } from './review.ts'

/** What became of one pod or pod template of a manifest. */
export interface ManifestVerdict {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly verdict: Verdict
}

/** Manifests with the agent in them; whatever was not injected is there byte by byte. */
export interface PatchedManifests {
  readonly text: string
  readonly verdicts: readonly ManifestVerdict[]
  /** Documents that cannot be read, by their number from 1, and why. */
  readonly unreadable: readonly string[]
}

/** Where each kind keeps its pod template. */
const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ['template'],
  Deployment: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
}

/** Reviews every pod and pod template of a YAML or JSON text as the webhook would, and applies its patches. */
export async function patchManifests(
  text: string,
  context: ReviewContext & { readonly namespace: string },
): Promise<PatchedManifests> {
  const verdicts: ManifestVerdict[] = []
  const unreadable: string[] = []
  const written: string[] = []
  // Three dashes at a line's start end a document, whatever stands around them.
  const parts = text.split(/^(---(?=\s|$).*\n?)/m)
  for (const [index, part] of parts.entries()) {
    const isMarker = index % 2 === 1
    if (isMarker || part.trim() === '') {
      written.push(part)
      continue
    }
    const document = parseDocument(part, { prettyErrors: false, keepSourceTokens: false })
    if (document.errors.length > 0) {
      unreadable.push(`document ${Math.floor(index / 2) + 1} is no YAML`)
      written.push(part)
      continue
    }
    const found = await patchDocument(document, context)
    verdicts.push(...found)
    const changed = found.some(({ verdict }) => verdict.patch.length > 0)
    written.push(changed ? document.toString({ lineWidth: 0, flowCollectionPadding: true }) : part)
  }
  return { text: written.join(''), verdicts, unreadable }
}

async function patchDocument(
  document: Document,
  context: ReviewContext & { readonly namespace: string },
): Promise<readonly ManifestVerdict[]> {
  const root: unknown = document.toJS({ maxAliasCount: 100 })
  if (!isRecord(root)) return []
  const items = root['items']
  const places: readonly (readonly (string | number)[])[] =
    typeof root['kind'] === 'string' && root['kind'].endsWith('List') && Array.isArray(items)
      ? items.map((_, index) => ['items', index])
      : [[]]
  const verdicts: ManifestVerdict[] = []
  for (const place of places) {
    const object = descend(root, place)
    const kind = isRecord(object) ? object['kind'] : undefined
    const path = typeof kind === 'string' ? templates[kind] : undefined
    if (typeof kind !== 'string' || path === undefined) continue
    const pod = readPod(descend(object, path))
    if (typeof pod === 'string') continue
    const metadata = isRecord(object) && isRecord(object['metadata']) ? object['metadata'] : {}
    const namespace = textOr(metadata['namespace'], context.namespace)
    const verdict = await reviewPod(pod, { ...context, namespace })
    apply(document, [...place, ...path], verdict.patch)
    const name = textOr(metadata['name'] ?? metadata['generateName'], '')
    verdicts.push({ kind, namespace, name, verdict })
  }
  return verdicts
}

/** The same operations on a YAML document, whose comments and order stay. */
function apply(
  document: Document,
  place: readonly (string | number)[],
  patch: readonly Operation[],
): void {
  for (const { path, value } of patch) {
    const parts = path
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = parts.at(-1) ?? ''
    const parent: unknown = document.getIn([...place, ...parts.slice(0, -1)].map(asIndex), true)
    const node = document.createNode(value, { aliasDuplicateObjects: false })
    if (isSeq(parent)) {
      parent.items.splice(last === '-' ? parent.items.length : Number(last), 0, node)
    } else if (isMap(parent)) {
      parent.set(last, node)
    } else {
      throw new Error(`the manifest has no place for ${path}`)
    }
  }
}

function asIndex(part: string | number): string | number {
  return typeof part === 'string' && /^\d+$/.test(part) ? Number(part) : part
}

function descend(value: unknown, path: readonly (string | number)[]): unknown {
  let here = value
  for (const part of path) {
    if (Array.isArray(here) && typeof part === 'number') here = here[part]
    else if (isRecord(here)) here = here[part]
    else return undefined
  }
  return here
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value !== '' ? value : otherwise
}
