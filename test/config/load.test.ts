import { expect, test } from 'vitest'
import { loadConfig, type AgentConfig, type LoadInput } from '../../src/config/load.ts'
import { ConfigError } from '../../src/core/errors.ts'

const conjur = {
  CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
  CONJUR_ACCOUNT: 'acme',
  CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
}

function load(input: Partial<LoadInput>): Promise<AgentConfig> {
  return loadConfig({
    flags: {},
    environment: {},
    annotations: undefined,
    file: undefined,
    ...input,
  })
}

async function problems(input: Partial<LoadInput>): Promise<readonly string[]> {
  const error = await load(input).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ConfigError)
  return error instanceof ConfigError
    ? error.lines.map((line) => line.replaceAll(/ {2,}/g, ' | '))
    : []
}

test('P6 without any configuration every setting that is needed is named', async () => {
  const lines = await problems({})

  expect(lines).toEqual([
    "not set | CONJUR_ACCOUNT | Conjur's name for your organisation, such as acme",
    "not set | CONJUR_APPLIANCE_URL | Conjur's address, such as https://conjur.example.com",
    'not set | CONJUR_AUTHENTICATOR | the authenticator, such as authn-jwt/prod',
  ])
})

test('P6 all problems come at once, each with the name and place the user typed', async () => {
  const lines = await problems({
    flags: { 'retry-count-limit': 'many' },
    environment: { ...conjur, CONJUR_APPLIANCE_URL: 'http://conjur.example.com' },
    annotations: 'conjur.org/conjur-secret.db="- a/b"\nconjur.org/log-level="loud"\nbroken\n',
    file: { retryIntervalSec: 'x', acount: 'acme' },
  })

  expect(lines).toEqual([
    'pod annotations | line 3 | is not key="value" as the downward API writes it',
    'pod annotation | conjur.org/conjur-secret.db | unknown; nearest: conjur.org/conjur-secrets.db',
    'config file | acount | unknown; nearest: account',
    'pod annotation | conjur.org/log-level | "loud" is not one of debug, info, warn, error',
    'environment | CONJUR_APPLIANCE_URL | "http://conjur.example.com" is not https',
    'command line | --retry-count-limit | "many" is not a whole number from -1 to 1000000',
    'config file | retryIntervalSec | "x" is not a whole number from 0 to 3600',
  ])
})

test.each([
  'appliance-url',
  'account',
  'authenticator',
  'authn-url',
  'ssl-certificate',
  'identity-source',
  'status-listen',
  'secrets-directory',
  'authn-azure-client-id',
])('P8 the annotation %s cannot redirect a credential', async (key) => {
  const lines = await problems({ environment: conjur, annotations: `conjur.org/${key}="x"\n` })

  expect(lines).toEqual([
    `pod annotation | conjur.org/${key} | is a trust setting; only the administrator can set it, in the environment`,
  ])
})

test('an annotation that resembles nothing is a warning, since other programs own keys there too', async () => {
  const config = await load({
    environment: conjur,
    annotations: 'conjur.org/something-else-entirely="x"\nconjur.org/inject="true"\n',
  })

  expect(config.notes).toEqual([
    { level: 'warn', text: 'conjur.org/something-else-entirely is unknown and ignored' },
  ])
})

test('flags win over annotations, those over environment, that over the config file; a note says so', async () => {
  const config = await load({
    flags: { 'log-level': 'error' },
    environment: { ...conjur, LOG_LEVEL: 'warn', RETRY_COUNT_LIMIT: '7' },
    annotations: 'conjur.org/log-level="debug"\nconjur.org/retry-count-limit="9"\n',
    file: { logLevel: 'info', retryCountLimit: 3 },
  })

  expect(config.logLevel).toBe('error')
  expect(config.retry.countLimit).toBe(9)
  expect(config.notes.map(({ text }) => text)).toContain(
    'conjur.org/retry-count-limit wins over RETRY_COUNT_LIMIT',
  )
})

test.each([
  ['https://c.example/authn-jwt/prod', 'https://c.example/', 'authn-jwt', 'prod'],
  ['https://c.example/api/authn-azure/prod/', 'https://c.example/api', 'authn-azure', 'prod'],
  [
    'https://authn-jwt.example/authn-azure/authn-jwt',
    'https://authn-jwt.example/',
    'authn-azure',
    'authn-jwt',
  ],
])('CONJUR_AUTHN_URL %s is read as a URL, not by substring', async (authnUrl, base, type, id) => {
  const config = await load({
    environment: {
      CONJUR_AUTHN_URL: authnUrl,
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHN_LOGIN: 'host/a',
    },
  })

  expect(config.conjur.applianceUrl.href).toBe(base)
  expect(config.conjur.authenticator).toEqual({ type, serviceId: id })
})

test('given both addresses, logins go to one and values come from the other', async () => {
  const config = await load({
    environment: {
      CONJUR_AUTHN_URL: 'https://follower.example/authn-jwt/prod',
      CONJUR_APPLIANCE_URL: 'https://leader.example',
      CONJUR_ACCOUNT: 'acme',
    },
  })

  expect(config.conjur.authnBaseUrl.host).toBe('follower.example')
  expect(config.conjur.applianceUrl.host).toBe('leader.example')
})

test.each([
  [
    { CONJUR_AUTHENTICATOR: 'authn-jwt' },
    'has no service id; write authn-jwt/prod for conjur/authn-jwt/prod',
  ],
  [{ CONJUR_AUTHENTICATOR: 'jwt/prod' }, 'names no authenticator such as authn-jwt/prod'],
  [{ CONJUR_AUTHENTICATOR: 'authn-jwt/pr.od' }, 'has a service id that Conjur cannot route'],
  [
    { CONJUR_AUTHN_URL: 'https://c.example/authn-jwt/dev' },
    'disagrees with authn-jwt/dev in CONJUR_AUTHN_URL',
  ],
  [
    { CONJUR_AUTHN_URL: 'https://c.example/api' },
    'has no authenticator in its path, such as /authn-jwt/prod',
  ],
  [
    { CONJUR_AUTHN_LOGIN: 'apps/web' },
    'does not start with host/; for the host apps/web write host/apps/web',
  ],
  [{ CONJUR_AUTHN_LOGIN: 'admin' }, 'is a person; a workload logs in as a host, host/<path>'],
  [
    { CONJUR_SSL_CERTIFICATE: 'nonsense' },
    'holds no PEM certificate (-----BEGIN CERTIFICATE-----)',
  ],
  [{ CONJUR_APPLIANCE_URL: 'https://user:pw@c.example' }, 'holds a user name or password'],
  [{ CONJUR_SECRETS_REFRESH_INTERVAL: '500ms' }, 'is shorter than 1s'],
  [
    { AZURE_POD_IDENTITY_AUTHORITY_HOST: 'http://evil.example' },
    'is neither a loopback nor a link-local host',
  ],
])('P6 %j is refused with what to write instead', async (environment, what) => {
  const lines = await problems({
    environment: { ...conjur, CONJUR_IDENTITY_SOURCE: 'azure-imds', ...environment },
  })

  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain(what)
})

test('P8: Entra may be simulated on this machine over http, and nowhere else', async () => {
  const azure = {
    ...conjur,
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    CONJUR_AUTHN_LOGIN: 'host/apps/web',
    AZURE_FEDERATED_TOKEN_FILE: '/token',
    AZURE_CLIENT_ID: 'client',
    AZURE_TENANT_ID: 'tenant',
  }

  const { identity } = await load({
    environment: { ...azure, AZURE_AUTHORITY_HOST: 'http://127.0.0.1:8080/' },
  })
  const lines = await problems({
    environment: { ...azure, AZURE_AUTHORITY_HOST: 'http://login.example.com/' },
  })

  expect(lines).toEqual([
    'environment | AZURE_AUTHORITY_HOST | "http://login.example.com/" is not https',
  ])
  expect(identity.source).toMatchObject({ authorityHost: new URL('http://127.0.0.1:8080/') })
})

test('authn-azure needs a login, since its route names the host', async () => {
  const lines = await problems({
    environment: { ...conjur, CONJUR_AUTHENTICATOR: 'authn-azure/prod' },
  })

  expect(lines).toEqual([
    'not set | CONJUR_AUTHN_LOGIN | authn-azure needs it, such as host/apps/web',
  ])
})

test.each([
  [{}, 'projected-token'],
  [
    { AZURE_FEDERATED_TOKEN_FILE: '/t', AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't' },
    'projected-token',
  ],
  [{ CONJUR_AUTHENTICATOR: 'authn-azure/prod' }, 'azure-imds'],
  [
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      AZURE_FEDERATED_TOKEN_FILE: '/t',
      AZURE_CLIENT_ID: 'c',
      AZURE_TENANT_ID: 't',
    },
    'azure-workload-identity',
  ],
  [{ CONJUR_IDENTITY_SOURCE: 'azure-imds' }, 'azure-imds'],
])('%j selects the identity source %s', async (environment, kind) => {
  const config = await load({
    environment: { ...conjur, CONJUR_AUTHN_LOGIN: 'host/apps/web', ...environment },
  })

  expect(config.identity.source.kind).toBe(kind)
})

test('a group can be set by annotation, by environment and by config file, with the same result', async () => {
  const byAnnotation = await load({
    environment: conjur,
    annotations:
      'conjur.org/conjur-secrets.db-main="- user: u\\n- p"\nconjur.org/conjur-secrets-policy-path.db-main="/apps/web/"\nconjur.org/secret-file-format.db-main="json"\nconjur.org/secret-file-permissions.db-main="rw-r-----"\nconjur.org/secret-file-path.db-main="sub/"\n',
  })
  const byEnvironment = await load({
    environment: {
      ...conjur,
      CONJUR_SECRETS__DB_MAIN: '- user: u\n- p',
      CONJUR_SECRETS_POLICY_PATH__DB_MAIN: 'apps/web',
      CONJUR_SECRET_FILE_FORMAT__DB_MAIN: 'json',
      CONJUR_SECRET_FILE_PERMISSIONS__DB_MAIN: '0640',
      CONJUR_SECRET_FILE_PATH__DB_MAIN: './sub/db-main.json',
    },
  })
  const byFile = await load({
    environment: conjur,
    file: {
      groups: {
        'db-main': {
          secrets: [{ user: 'u' }, 'p'],
          policyPath: 'apps/web',
          format: 'json',
          permissions: '-rw-r-----',
          path: 'sub/db-main.json',
        },
      },
    },
  })

  const wanted = [
    {
      name: 'db-main',
      entries: [
        { alias: 'user', variableId: 'apps/web/u', contentType: 'text', required: true },
        { alias: 'p', variableId: 'apps/web/p', contentType: 'text', required: true },
      ],
      path: 'sub/db-main.json',
      format: 'json',
      mode: 0o640,
    },
  ]
  expect(byAnnotation.groups).toEqual(wanted)
  expect(byEnvironment.groups).toEqual(wanted)
  expect(byFile.groups).toEqual(wanted)
})

test.each([
  [
    'conjur.org/secret-file-path.db="../x"',
    '"../x" has a part that begins with ..; write a path inside the secrets directory',
  ],
  [
    'conjur.org/secret-file-path.db="/etc/x"',
    '"/etc/x" is absolute; write a path inside the secrets directory',
  ],
  [
    'conjur.org/secret-file-path.db="..data/x"',
    '"..data/x" has a part that begins with ..; write a path inside the secrets directory',
  ],
  ['conjur.org/secret-file-path.db="app.yaml"', 'writes app.yaml, as group app does'],
  ['conjur.org/secret-file-path.db="app.yaml/x"', 'writes app.yaml/x, as group app does'],
  [
    'conjur.org/secret-file-format.db="toml"',
    '"toml" is not one of yaml, json, dotenv, bash, properties, plain, template',
  ],
  [
    'conjur.org/secret-file-permissions.db="r--r--r--"',
    '"r--r--r--" keeps the owner from reading and writing; begin with rw',
  ],
  ['conjur.org/secret-file-permissions.db="0999"', '"0999" is not like rw-r-----'],
  ['conjur.org/reload.db="restart"', '"restart" is none of signal, post, touch and exec'],
  [
    'conjur.org/reload.db="exec [\\"/bin/x\\"]"',
    'holds exec, which no annotation may; set CONJUR_RELOAD__<GROUP>',
  ],
  [
    'conjur.org/secret-file-format.nothing="json"',
    'sets a group without a list; add conjur.org/conjur-secrets.nothing',
  ],
])('P6 %s is refused', async (line, what) => {
  const lines = await problems({
    environment: { ...conjur, CONJUR_SECRETS__APP: '- o' },
    annotations: `conjur.org/conjur-secrets.db="- a"\n${line}\n`,
  })

  expect(lines.map((shown) => shown.split(' | ').at(-1))).toContain(what)
})

test('Kubernetes Secrets are named by annotation or environment, and need the namespace', async () => {
  const environment = { ...conjur, SECRETS_DESTINATION: 'k8s_secrets', MY_POD_NAMESPACE: 'shop' }
  const byAnnotation = await load({
    environment,
    annotations: 'conjur.org/k8s-secrets="- db\\n- keys"\n',
  })
  const byEnvironment = await load({ environment: { ...environment, K8S_SECRETS: 'db, keys' } })
  const byLabel = await load({ environment })
  const lines = await problems({ environment: { ...conjur, SECRETS_DESTINATION: 'k8s_secrets' } })

  expect(byAnnotation.kubernetesSecrets).toEqual({ names: ['db', 'keys'], namespaces: ['shop'] })
  expect(byEnvironment.kubernetesSecrets).toEqual(byAnnotation.kubernetesSecrets)
  expect(byLabel).toMatchObject({ mode: 'init', kubernetesSecrets: { names: [] } })
  expect(lines.join()).toContain('MY_POD_NAMESPACE')
})

test.each([
  [{}, undefined, 'sidecar'],
  [{ CONJUR_SECRETS__DB: '- a' }, undefined, 'init'],
  [{ CONJUR_SECRETS__DB: '- a', CONTAINER_MODE: 'sidecar' }, undefined, 'sidecar'],
  [{ CONJUR_SECRETS__DB: '- a', CONTAINER_MODE: 'sidecar' }, 'init' as const, 'init'],
])('the mode of %j with sub-command %s is %s', async (environment, mode, expected) => {
  const config = await load({ environment: { ...conjur, ...environment }, mode })

  expect(config.mode).toBe(expected)
})

test.each([
  [{}, 300_000],
  [{ CONJUR_SECRETS_REFRESH_INTERVAL: '30s' }, 30_000],
  [{ CONJUR_SECRETS_REFRESH_INTERVAL: 'off' }, undefined],
  [{ CONJUR_SECRETS_REFRESH_ENABLED: 'false' }, undefined],
])('a sidecar with %j refreshes every %s ms', async (environment, ms) => {
  const config = await load({ environment: { ...conjur, ...environment }, mode: 'sidecar' })

  expect(config.refreshIntervalMs).toBe(ms)
})

test('the token file is left out only where nobody asked for it', async () => {
  const [silent, named, alone] = await Promise.all([
    load({ environment: { ...conjur, CONJUR_SECRETS__DB: '- a' } }),
    load({ environment: { ...conjur, CONJUR_SECRETS__DB: '- a', CONJUR_AUTHN_TOKEN_FILE: '/t' } }),
    load({ environment: conjur }),
  ])

  expect(silent.accessTokenFile.whereUnwritable).toBe('leave-out')
  expect(named.accessTokenFile).toMatchObject({ path: '/t', whereUnwritable: 'refuse' })
  expect(alone.accessTokenFile.whereUnwritable).toBe('refuse')
})

test('P2 a problem quotes no more than the beginning of what was typed', async () => {
  const lines = await problems({
    environment: { ...conjur, CONJUR_SSL_CERTIFICATE: `${'A'.repeat(57)}CANARY` },
  })

  expect(lines.join()).not.toContain('CANARY')
})

test.each([
  ['CONJUR_TOKEN_TIMEOUT', '0s', 'is shorter than 1s'],
  ['CONJUR_TOKEN_TIMEOUT', '99999999999h', 'is longer than 720h'],
  ['CONJUR_SECRETS_REFRESH_INTERVAL', '99999999999h', 'is longer than 720h'],
  ['CONJUR_RELOAD_INTERVAL', '0s', 'is shorter than 1s'],
  ['CONJUR_IDENTITY_TIMEOUT', '1ms', 'is shorter than 1s'],
])('P9 %s=%s is no time to go by', async (name, value, why) => {
  const lines = await problems({ environment: { ...conjur, [name]: value } })

  expect(lines).toEqual([`environment | ${name} | "${value}" ${why}`])
})

test('standalone fills the labelled Secrets of the namespaces that are allowed, one replica at a time', async () => {
  const config = await load({
    environment: {
      ...conjur,
      CONTAINER_MODE: 'standalone',
      NAMESPACE_ALLOWLIST: 'shop, billing',
      MY_POD_NAMESPACE: 'conjur',
      MY_POD_NAME: 'agent-1',
    },
  })

  expect(config.kubernetesSecrets).toEqual({ names: [], namespaces: ['shop', 'billing'] })
  expect(config.replica).toEqual({ namespace: 'conjur', name: 'agent-1' })
  expect(config.refreshIntervalMs).toBe(300_000)
})

test.each([
  [{}, 'is needed in standalone mode: the namespaces whose Secrets are filled'],
  [{ NAMESPACE_ALLOWLIST: '*' }, '"*" allows every namespace; name those that may be written to'],
  [{ NAMESPACE_ALLOWLIST: 'Shop' }, '"Shop" names Shop, which is no namespace'],
])('P6 standalone with %j is refused', async (environment, what) => {
  const lines = await problems({
    environment: {
      ...conjur,
      CONTAINER_MODE: 'standalone',
      MY_POD_NAMESPACE: 'conjur',
      MY_POD_NAME: 'agent-1',
      ...environment,
    },
  })

  expect(lines.map((line) => line.split(' | ').at(-1))).toContain(what)
})
test('P6 a config file may leave a setting null, and holds texts where texts belong', async () => {
  const file = {
    logLevel: null,
    account: { name: 'acme' },
    retryCountLimit: [1, 2],
    groups: { db: 'text', web: { secrets: ['a/b'], path: { x: 1 }, formatt: 'json' } },
    connections: [],
  }

  const lines = await problems({ environment: conjur, file })

  expect(lines).toEqual([
    'config file | account | is no text; write one value',
    'config file | retryCountLimit | is no text; write one value',
    'config file | connections | is no mapping of names to settings',
    'config file | groups.db | is no mapping of names to settings',
    'config file | groups.web.path | is no text; write one value',
    'config file | groups.web.formatt | unknown; nearest: groups.web.format',
  ])
})

test('a config file may hold a list where a setting is one', async () => {
  const config = await load({
    environment: conjur,
    file: {
      identitySource: 'command',
      identityCommand: ['/opt/plugin', '--audience', 'a,b'],
      groups: { db: { secrets: ['a/b'], reload: ['signal HUP nginx', 'touch /run/told'] } },
    },
  })

  expect(config.identity.source).toMatchObject({ command: ['/opt/plugin', '--audience', 'a,b'] })
  expect(config.groups[0]?.reload).toMatchObject([{ kind: 'signal' }, { kind: 'touch' }])
})

test('a variable that is nearly one of ours is a warning', async () => {
  const config = await load({
    environment: {
      ...conjur,
      CONJUR_SECRETS_REFRESH_INTREVAL: '1m',
      CONJUR_SECRET__DB: '- a/b',
      CONJUR_SERVICE_HOST: '10.0.0.1',
    },
  })

  expect(config.notes).toEqual([
    {
      level: 'warn',
      text: 'CONJUR_SECRETS_REFRESH_INTREVAL is unknown and ignored; nearest: CONJUR_SECRETS_REFRESH_INTERVAL',
    },
    {
      level: 'warn',
      text: 'CONJUR_SECRET__DB is unknown and ignored; nearest: CONJUR_SECRETS__DB',
    },
  ])
})

test.each([
  ['JWT_TOKEN_PATH', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln'],
  ['CONJUR_AUTHN_TOKEN_FILE', '1fn0mxh3vdq5zb2y7k8sjw4rt6pc9ga1fn0mxh3vdq5zb2'],
])('P2 a secret that was typed into %s is not repeated', async (name, value) => {
  const lines = await problems({ environment: { ...conjur, [name]: value } })

  expect(lines).toEqual([`environment | ${name} | what is set there is not an absolute path`])
})

test.each([
  ['CONJUR_IDLE', 'sleep', '"sleep" is not one of stay, hibernate'],
  ['CONJUR_ANNOTATIONS_FILE', 'podinfo', '"podinfo" is not an absolute path'],
  ['CONJUR_ACCOUNT', 'acme:prod', '"acme:prod" holds a slash, a colon or white space'],
  ['CONJUR_AUTHN_TOKEN_FILE', '/run/conjur/', '"/run/conjur/" names a directory, not a file'],
  [
    'CONJUR_SSL_CERTIFICATE',
    '-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----',
    '"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----" holds a PEM block that is no certificate; was it cut or folded?',
  ],
])('P6 %s=%s is refused', async (name, value, why) => {
  const lines = await problems({ environment: { ...conjur, [name]: value } })

  expect(lines).toEqual([`environment | ${name} | ${why}`])
})

test('P6 the access token and a file of a group cannot have one path', async () => {
  const lines = await problems({
    environment: {
      ...conjur,
      CONJUR_SECRETS__DB: '- a/b',
      CONJUR_SECRET_FILE_PATH__DB: 'app/db',
      CONJUR_SECRETS_DIRECTORY: '/secrets/',
      CONJUR_AUTHN_TOKEN_FILE: '/secrets//app/db',
    },
  })

  expect(lines).toEqual([
    'environment | CONJUR_AUTHN_TOKEN_FILE | is the file of group db; give one of them another path',
  ])
})

test.each(['HTTPS_PROXY', 'https_proxy'])(
  '%s names the proxy, NO_PROXY what goes without',
  async (name) => {
    const config = await load({
      environment: { ...conjur, [name]: 'proxy.example:3128', NO_PROXY: 'a.example, 10.0.0.0/8' },
    })

    expect(config.conjur.proxy.proxy?.href).toBe('http://proxy.example:3128/')
    expect(config.conjur.proxy.except).toEqual(['a.example', '10.0.0.0/8'])
  },
)

test('P2 P8 a proxy’s password is not repeated, and no annotation names a proxy', async () => {
  const lines = await problems({
    environment: { ...conjur, HTTPS_PROXY: 'socks5://user:canary@proxy.example' },
    annotations: 'conjur.org/https-proxy="http://evil.example"\n',
  })

  expect(lines).toEqual([
    'pod annotation | conjur.org/https-proxy | is a trust setting; only the administrator can set it, in the environment',
    'environment | HTTPS_PROXY | what is set there is neither http nor https',
  ])
})

test('several addresses, with commas or white space between, are one Conjur in order of preference', async () => {
  const config = await load({
    environment: {
      ...conjur,
      CONJUR_APPLIANCE_URL: 'https://a.example, https://b.example/api\nhttps://c.example:8443',
    },
  })

  const { applianceUrl, followers, authnBaseUrl, authnFollowers } = config.conjur
  const hrefs = [applianceUrl, ...followers].map(({ href }) => href)
  expect(hrefs).toEqual(['https://a.example/', 'https://b.example/api', 'https://c.example:8443/'])
  expect([authnBaseUrl, ...authnFollowers].map(({ href }) => href)).toEqual(hrefs)
})

test('several authentication URLs give the addresses and their one authenticator', async () => {
  const { CONJUR_APPLIANCE_URL: _, CONJUR_AUTHENTICATOR: __, ...rest } = conjur
  const config = await load({
    environment: {
      ...rest,
      CONJUR_AUTHN_URL: 'https://a.example/authn-jwt/prod,https://b.example/api/authn-jwt/prod',
    },
  })

  expect(config.conjur.applianceUrl.href).toBe('https://a.example/')
  expect(config.conjur.followers.map(({ href }) => href)).toEqual(['https://b.example/api'])
  expect(config.conjur.authenticator).toEqual({ type: 'authn-jwt', serviceId: 'prod' })
})

test('P6 every address of a list is checked, and what is wrong with each is told at once', async () => {
  const told = load({
    environment: {
      ...conjur,
      CONJUR_APPLIANCE_URL:
        'https://a.example,http://b.example,c.example,https://u:canary@d.example,https://a.example',
    },
  })

  await expect(told).rejects.toMatchObject({
    lines: [
      expect.stringMatching(
        /lists 5 addresses: address 2 is not https; address 3 is no URL such as https:\/\/conjur\.example\.com; address 4 holds a user name or password; address 5 is address 1 again$/,
      ),
    ],
  })
  await expect(told).rejects.not.toMatchObject({ lines: [expect.stringContaining('canary')] })
})

test('P6 authentication URLs of two authenticators are no list of servers', async () => {
  const { CONJUR_APPLIANCE_URL: _, CONJUR_AUTHENTICATOR: __, ...rest } = conjur
  const told = load({
    environment: {
      ...rest,
      CONJUR_AUTHN_URL: 'https://a.example/authn-jwt/prod https://b.example/authn-jwt/test',
    },
  })

  await expect(told).rejects.toMatchObject({
    lines: [expect.stringContaining('names another authenticator in address 2 than in the first')],
  })
})
