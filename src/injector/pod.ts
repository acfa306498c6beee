import * as v from 'valibot'
import { isRecord } from '../core/json.ts'

/** Known members are checked, the others stay; unlike valibot's own, a list is no object. */
function object<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(v.custom<Record<string, unknown>>(isRecord), v.looseObject(entries))
}

const text = v.nullish(v.string())
const texts = v.nullish(
  v.pipe(v.custom<Record<string, unknown>>(isRecord), v.record(v.string(), v.string())),
)

const EnvVar = object({ name: v.string() })
const VolumeMount = object({ name: v.string(), mountPath: v.string() })

const Container = object({
  name: v.string(),
  image: text,
  args: v.nullish(v.array(v.string())),
  command: v.nullish(v.array(v.string())),
  env: v.nullish(v.array(EnvVar)),
  volumeMounts: v.nullish(v.array(VolumeMount)),
  restartPolicy: text,
})

const NodeSelectorRequirement = object({
  key: v.string(),
  operator: v.string(),
  values: v.nullish(v.array(v.string())),
})

const NodeSelectorTerm = object({
  matchExpressions: v.nullish(v.array(NodeSelectorRequirement)),
})

const Affinity = object({
  nodeAffinity: v.nullish(
    object({
      requiredDuringSchedulingIgnoredDuringExecution: v.nullish(
        object({ nodeSelectorTerms: v.nullish(v.array(NodeSelectorTerm)) }),
      ),
    }),
  ),
})

const OwnerReference = object({
  apiVersion: v.string(),
  kind: v.string(),
  name: v.string(),
  uid: v.string(),
  controller: v.nullish(v.boolean()),
})

const Metadata = object({
  name: text,
  generateName: text,
  uid: text,
  namespace: text,
  annotations: texts,
  labels: texts,
  ownerReferences: v.nullish(v.array(OwnerReference)),
})

const PodSchema = object({
  metadata: v.nullish(Metadata),
  spec: object({
    containers: v.nullish(v.array(Container)),
    initContainers: v.nullish(v.array(Container)),
    ephemeralContainers: v.nullish(v.array(object({ name: v.string() }))),
    volumes: v.nullish(v.array(object({ name: v.string() }))),
    serviceAccountName: text,
    hostNetwork: v.nullish(v.boolean()),
    nodeSelector: texts,
    affinity: v.nullish(Affinity),
    os: v.nullish(object({ name: v.string() })),
    securityContext: v.nullish(object({ runAsUser: v.nullish(v.number()) })),
  }),
})

const AnyObjectSchema = object({
  metadata: v.nullish(
    object({ annotations: v.optional(v.unknown()), labels: v.optional(v.unknown()) }),
  ),
})

/** What we read of a pod; everything else stays as it came. JSON `null` counts as absent. */
export type Pod = v.InferOutput<typeof PodSchema>
export type PodContainer = v.InferOutput<typeof Container>

/** Every container of a pod, init containers first. */
export function containersOf(pod: Pod): readonly PodContainer[] {
  return [...(pod.spec.initContainers ?? []), ...(pod.spec.containers ?? [])]
}

/** Reads a pod; a text says what is malformed and where. */
export function readPod(value: unknown): Pod | string {
  const result = v.safeParse(PodSchema, value, { abortEarly: true })
  return result.success ? result.output : issueText(result.issues[0], 'the pod')
}

/** Annotations or labels of any API object, the unreadable left out. */
export function textsOf(
  value: unknown,
  field: 'annotations' | 'labels',
): Readonly<Record<string, string>> {
  const object = v.safeParse(AnyObjectSchema, value)
  const read = v.safeParse(texts, object.success ? object.output.metadata?.[field] : undefined)
  return (read.success ? read.output : undefined) ?? {}
}

const GroupVersionKind = object({ group: text, version: text, kind: v.string() })
const GroupVersionResource = object({ group: text, version: text, resource: v.string() })

const ReviewSchema = object({
  apiVersion: v.picklist(['admission.k8s.io/v1', 'admission.k8s.io/v1beta1']),
  kind: v.literal('AdmissionReview'),
  request: object({
    uid: v.pipe(v.string(), v.minLength(1)),
    kind: GroupVersionKind,
    resource: v.nullish(GroupVersionResource),
    subResource: text,
    namespace: text,
    name: text,
    operation: v.string(),
    object: v.optional(v.unknown()),
    dryRun: v.nullish(v.boolean()),
  }),
})

/** A request for admission, with the object not yet looked at. */
export type AdmissionRequest = v.InferOutput<typeof ReviewSchema>['request']

/** An AdmissionReview as the API server sends it, in either version. */
export type AdmissionReview = v.InferOutput<typeof ReviewSchema>

/** Reads an AdmissionReview; a text says what is malformed and where. */
export function readReview(value: unknown): AdmissionReview | string {
  const result = v.safeParse(ReviewSchema, value, { abortEarly: true })
  return result.success ? result.output : issueText(result.issues[0], 'the AdmissionReview')
}

/** Says what is malformed by kind alone: a value in the wrong place may still be a secret. */
function issueText(issue: v.BaseIssue<unknown>, what: string): string {
  const path = v.getDotPath(issue)
  const where = path === null ? '' : ` at ${path}`
  return `${what} is malformed${where}: expected ${kindOf(issue.expected)}, got ${kindOf(issue.received)}`
}

function kindOf(shown: string | null): string {
  if (shown === null || shown === '') return 'something else'
  if (shown === 'unknown') return 'an object'
  // Alternatives and literals are part of the API, not of the pod: only `expected` holds those.
  if (/^\(?"admission|^"AdmissionReview"/.test(shown)) return shown
  if (shown.startsWith('"') || shown === 'string') return 'a text'
  if (/^-?\d/.test(shown) || shown === 'number') return 'a number'
  if (/^\(?Array/.test(shown)) return 'a list'
  if (/^\(?Object/.test(shown)) return 'an object'
  if (/^(true|false|boolean)$|^\(boolean/.test(shown)) return 'a boolean'
  return shown.startsWith('(string') ? 'a text' : shown.replace(/^undefined$/, 'nothing')
}
