import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { parseDuration } from '../config/duration.ts'
import type { Problem } from '../config/problems.ts'
import { unfitQuantity } from './resources.ts'
import { modes } from './settings.ts'

const text = v.pipe(v.string(), v.trim())
const optionalText = v.optional(text, '')
const count = v.pipe(v.number(), v.integer(), v.minValue(1))
const quantity = (kind: 'cpu' | 'memory') =>
  v.pipe(
    v.union([v.string(), v.pipe(v.number(), v.transform(String))]),
    v.check(
      (value) => unfitQuantity(value, kind) === undefined,
      (issue) => `"${issue.input}" ${unfitQuantity(issue.input, kind) ?? ''}`,
    ),
  )
const interval = v.pipe(
  text,
  v.check((value) => parseDuration(value) !== undefined, 'is no duration such as 30s or 5m'),
  v.transform((value) => parseDuration(value) ?? 0),
)

/** The injector's config file: the chart's values of the same names, as they are. */
const FileSchema = v.strictObject({
  image: optionalText,
  imagePullPolicy: v.optional(v.picklist(['Always', 'IfNotPresent', 'Never']), 'IfNotPresent'),
  match: v.optional(v.picklist(['annotation', 'label']), 'annotation'),
  conjur: v.optional(
    v.strictObject({
      workloadIdentityAuthenticator: optionalText,
      loginTemplate: optionalText,
      namespaceConfigMap: optionalText,
    }),
    {},
  ),
  token: v.optional(
    v.strictObject({
      audience: optionalText,
      // The API server refuses a shorter life.
      expirationSeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(600)), 3600),
    }),
    {},
  ),
  agent: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist(modes), 'sidecar'),
      containerStyle: v.optional(v.picklist(['native', 'classic']), 'native'),
      idle: v.optional(v.picklist(['stay', 'hibernate']), 'stay'),
      hibernateImage: optionalText,
      seccompProfile: optionalText,
      refreshInterval: v.optional(text, '5m'),
      logLevel: v.optional(text, 'info'),
      accessToken: v.optional(v.boolean(), true),
      secretsVolume: v.optional(
        v.strictObject({
          sizeLimit: v.optional(quantity('memory'), '16Mi'),
          requireTmpfs: v.optional(v.picklist(['true', 'warn', 'false']), 'true'),
        }),
        {},
      ),
      resources: v.optional(
        v.strictObject({
          requests: v.optional(
            v.strictObject({
              cpu: v.optional(quantity('cpu'), '10m'),
              memory: v.optional(quantity('memory'), '32Mi'),
            }),
            {},
          ),
          limits: v.optional(
            v.strictObject({
              cpu: v.optional(quantity('cpu')),
              memory: v.optional(quantity('memory'), '128Mi'),
            }),
            {},
          ),
        }),
        {},
      ),
      extraEnv: v.optional(v.array(v.looseObject({ name: v.string() })), []),
      metricsPort: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
    }),
    {},
  ),
  annotationPolicy: v.optional(
    v.strictObject({
      allow: v.optional(v.array(text), ['*']),
      deny: v.optional(v.array(text), []),
      unknown: v.optional(v.picklist(['deny', 'warn']), 'deny'),
      defaults: v.optional(v.record(v.string(), v.string()), {}),
    }),
    {},
  ),
  certificate: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist(['supplied', 'self']), 'supplied'),
      secretName: optionalText,
      serviceName: optionalText,
      webhookName: optionalText,
      leafDays: v.optional(count, 90),
      caDays: v.optional(count, 1825),
    }),
    {},
  ),
  audit: v.optional(
    v.strictObject({
      enabled: v.optional(v.boolean(), false),
      interval: v.optional(interval, '5m'),
    }),
    {},
  ),
  events: v.optional(v.boolean(), false),
})

/** What the administrator wrote into the config file, with defaults where nothing is written. */
export type SettingsFile = v.InferOutput<typeof FileSchema>

/** Reads the config file; what is wrong with it is noted as problems, with the name of its key. */
export async function readSettingsFile(
  path: string | boolean | undefined,
  problems: Problem[],
): Promise<SettingsFile> {
  const empty = v.parse(FileSchema, {})
  if (typeof path !== 'string') return empty
  const value = await parseFile(path, problems)
  const result = v.safeParse(FileSchema, value ?? {})
  if (result.success) return result.output
  for (const issue of result.issues) {
    const name = v.getDotPath(issue) ?? path
    const what = issue.message.startsWith('Invalid key')
      ? 'unknown'
      : issue.message.replace(/^Invalid \w+: Expected/, 'expected')
    problems.push({ place: 'config file', name, what })
  }
  return empty
}

async function parseFile(path: string, problems: Problem[]): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  let source: string
  try {
    source = await readFile(path, 'utf8')
  } catch {
    problems.push({ place: 'command line', name: '--config', what: `${path} cannot be read` })
    return undefined
  }
  const document = parseDocument(source, { prettyErrors: false })
  const [error] = document.errors
  if (error === undefined) return document.toJS({ maxAliasCount: 0 })
  problems.push({
    place: 'command line',
    name: '--config',
    what: `${path} is no YAML: ${error.code}`,
  })
  return undefined
}
