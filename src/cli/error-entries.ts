/** What an error code means and what to do: the source of docs/errors.md and of `help CODE`. */
export interface ErrorEntry {
  /** One sentence. */
  readonly means: string
  /** Likeliest first: the cause, and a command or place that decides. */
  readonly causes: readonly (readonly [cause: string, decides: string])[]
  readonly cure: string
  /** What shows that it is cured. */
  readonly cured: string
  /** Codes of Conjur and of the incumbents for the same trouble. */
  readonly alsoKnownAs: readonly string[]
}

const NEXT_PASS = 'The next pass says so by itself; a sidecar never gives up.'
const EXIT_0 = '`conjur-agent init` ends with 0.'

export const errorEntries: Readonly<Record<string, ErrorEntry>> = {
  CONFIG_INVALID: {
    means: 'Settings are missing or cannot be used; all of them are listed, and nothing was sent.',
    causes: [
      ['A name is misspelt.', 'The line names the nearest valid one.'],
      ['A value has the wrong form.', '`conjur-agent help SETTING` shows one that fits.'],
      [
        'A pod tries to set a trust setting.',
        'Only the administrator sets it, in the environment or the chart.',
      ],
    ],
    cure: 'Correct every line of the list at the place it names.',
    cured: '`conjur-agent doctor --until configuration` ends with 0.',
    alsoKnownAs: [
      'CAKC007',
      'CAKC032',
      'CAKC062',
      'CAKC063',
      'CSPFK004E',
      'CSPFK042E',
      'CSPFK043E',
      'CSPFK045E',
      'CSPFK046E',
      'CSPFK047E',
      'CSPFK049E',
      'CSPFK050E',
      'CSPFK051E',
      'CSPFK053E',
    ],
  },
  CONFIG_UNREADABLE: {
    means: 'A file that a setting names cannot be read, or is not what it should be.',
    causes: [
      ['The file is not mounted.', '`ls -l` on the path in the message.'],
      ['It may not be read by this user.', '`id` and `ls -l` on the path.'],
      ['It holds neither YAML nor JSON, or no PEM certificate.', '`head` of the path.'],
    ],
    cure: 'Mount the file, or correct the setting that names it.',
    cured: EXIT_0,
    alsoKnownAs: ['CSPFK041E'],
  },
  IDENTITY_ABSENT: {
    means:
      'The platform token is not where it should be: no file, no metadata service, no identity.',
    causes: [
      ['No projected service-account token is mounted.', '`ls -l` on the path in the message.'],
      [
        'The machine has no managed identity, or not the one that is named.',
        'Azure: the Identity page of the machine or container group.',
      ],
      ['This is not the platform that was configured.', '`conjur-agent doctor --until token`.'],
    ],
    cure: 'Mount the token, attach the identity, or set identitySource to what this platform has.',
    cured: '`conjur-agent doctor --until token` ends with 0.',
    alsoKnownAs: ['CAKC067'],
  },
  IDENTITY_NOT_READY: {
    means:
      'The platform was asked again and again and did not give a token in the time it may take.',
    causes: [
      [
        'The metadata service is still starting or being updated.',
        'It is asked again; see whether the message changes.',
      ],
      [
        'A network policy or firewall stands before it.',
        'The curl command of the hint, from this container.',
      ],
      ['The service throttles.', 'Status 429 in the message.'],
    ],
    cure: 'Wait, or open the way to the address in the message.',
    cured: NEXT_PASS,
    alsoKnownAs: [],
  },
  IDENTITY_REFUSED: {
    means: 'The platform answered, and refuses to give a token.',
    causes: [
      [
        'The identity that is named is not attached here.',
        'The selector in the message against the Identity page.',
      ],
      ['Several identities are attached and none is named.', 'Set CONJUR_AUTHN_AZURE_CLIENT_ID.'],
      [
        'No federated credential fits this service account.',
        'Issuer, subject and audience of the credential against the token.',
      ],
      ['The token file may not be read.', '`id` and `ls -l` on the path.'],
    ],
    cure: 'Correct the identity on the platform, or the setting that names it.',
    cured: '`conjur-agent doctor --until token` ends with 0.',
    alsoKnownAs: ['AADSTS70021', 'AADSTS700213', 'AADSTS700016'],
  },
  IDENTITY_EXPIRED: {
    means: 'There is a platform token, and its time is over.',
    causes: [
      ['The clock of this machine is wrong.', '`date -u` against any other machine.'],
      ['The platform does not renew the file.', '`ls -l --time-style=full-iso` on the path.'],
    ],
    cure: 'Set the clock, or restart what renews the token.',
    cured: NEXT_PASS,
    alsoKnownAs: ['CONJ00016E', 'AADSTS700024'],
  },
  IDENTITY_MALFORMED: {
    means: 'What the platform gave is no JWT.',
    causes: [
      ['The path names another file.', '`head -c 20` on the path: a JWT begins with eyJ.'],
      ['The file is empty or cut.', '`wc -c` on the path.'],
      ['A proxy answers in place of the platform.', 'The host in the message.'],
    ],
    cure: 'Name the file or address that holds the token.',
    cured: '`conjur-agent doctor --until token` ends with 0.',
    alsoKnownAs: ['CONJ00077E'],
  },
  IDENTITY_UNFIT: {
    means:
      'The platform token is good, but no policy and no setting of Conjur makes this authenticator take it.',
    causes: [
      [
        'authn-azure gets a v2.0 token, or one without xms_mirid.',
        '`conjur-agent doctor --until token` shows the claim.',
      ],
      [
        'The token is signed with ES256 or PS256, or its header has no kid.',
        'The same line names the algorithm.',
      ],
      [
        'The identity is that of a deployment slot, whose xms_mirid has more parts than Conjur reads.',
        'The tail of xms_mirid in the message.',
      ],
    ],
    cure: 'Ask for another token as the hint says, or use authn-jwt, which takes any RS256 token.',
    cured: '`conjur-agent doctor --until login` ends with 0.',
    alsoKnownAs: ['CONJ00035E', 'CONJ00051E', 'CONJ00053E', 'CONJ00054E', 'CONJ00091E'],
  },
  CONJUR_UNREACHABLE: {
    means: 'No answer came from Conjur.',
    causes: [
      ['The name does not resolve here.', '`getent hosts HOST`.'],
      ['A network policy or firewall is between.', '`curl -v https://HOST/` from this container.'],
      ['Conjur is down.', 'Its own health.'],
    ],
    cure: 'Open the way, or correct CONJUR_APPLIANCE_URL. What was published stays meanwhile.',
    cured: NEXT_PASS,
    alsoKnownAs: ['CAKC015', 'CAKC016', 'CAKC031', 'CSPFK038E'],
  },
  CONJUR_UNTRUSTED: {
    means: "The server's certificate does not pass; nothing was sent to it.",
    causes: [
      [
        'The CA is another one.',
        '`openssl s_client -showcerts -connect HOST:443` against CONJUR_SSL_CERTIFICATE.',
      ],
      ['The certificate names another host.', 'Its subjectAltName against CONJUR_APPLIANCE_URL.'],
      ['It is expired, or a clock is wrong.', 'Its dates against `date -u`.'],
    ],
    cure: 'Give the right CA or the right name. There is no switch that turns checking off.',
    cured: '`conjur-agent doctor --until TLS` ends with 0.',
    alsoKnownAs: ['CAKC007'],
  },
  CONJUR_UNAVAILABLE: {
    means: 'Conjur, or what stands before it, answers that it cannot serve now.',
    causes: [
      ['Its database is away.', 'Status 500: its own log.'],
      ['A load balancer has no server behind it.', 'Status 502, 503 or 504.'],
      ['Too many clients at once.', 'Status 429.'],
    ],
    cure: 'Nothing here: it is asked again, with Retry-After honoured. What was published stays.',
    cured: NEXT_PASS,
    alsoKnownAs: ['CONJ00044E'],
  },
  CONJUR_UNAUTHENTICATED: {
    means:
      'Conjur refuses the login, or an access token. It answers 401 for nearly every reason; only its own log tells which.',
    causes: [
      [
        'An annotation of the host differs from the token.',
        '`conjur-agent policy` prints the annotations that fit.',
      ],
      [
        'The host does not exist, or restricted_to leaves out this address.',
        'Conjur: the host resource.',
      ],
      [
        'The authenticator is not enabled, or its issuer, audience or keys are wrong.',
        '`conjur-agent doctor`.',
      ],
      ['The identity provider is away or has just rotated its keys.', 'It passes by itself.'],
    ],
    cure: 'Load what `conjur-agent policy` prints, or correct the authenticator.',
    cured: '`conjur-agent doctor --until login` ends with 0.',
    alsoKnownAs: [
      'CONJ00004E',
      'CONJ00007E',
      'CONJ00016E',
      'CONJ00035E',
      'CONJ00049E',
      'CONJ00098E',
      'CAKC015',
      'CAKC016',
      'CSPFK010E',
    ],
  },
  CONJUR_NOT_CONFIGURED: {
    means: 'The authenticator is not complete: its webservice or a variable of it is missing.',
    causes: [
      ['No policy declares its webservice.', '`conjur list -k webservice`.'],
      [
        'A variable of it is declared but was never set.',
        '`conjur-agent doctor --conjur-token-file FILE` names it.',
      ],
      [
        'Conjur itself cannot reach the issuer of the tokens.',
        'The status route, which the same command asks.',
      ],
    ],
    cure: 'Load what `conjur-agent policy` prints and set what `conjur-agent policy --values` prints.',
    cured: '`conjur-agent doctor --until authenticator` ends with 0.',
    alsoKnownAs: ['CONJ00005E', 'CONJ00011E', 'CONJ00036E', 'CONJ00037E', 'CONJ00087E'],
  },
  CONJUR_NOT_ENABLED: {
    means: 'The authenticator is configured, but this server does not let anyone use it.',
    causes: [
      [
        'It is not in CONJUR_AUTHENTICATORS of this server; every server and follower has its own.',
        '`curl https://HOST/authenticators`.',
      ],
      ['It was never switched on.', '`conjur authenticator enable --id TYPE/SERVICE`.'],
    ],
    cure: 'Add it to CONJUR_AUTHENTICATORS on every server and follower, or enable it.',
    cured: '`conjur-agent doctor --until authenticator` ends with 0.',
    alsoKnownAs: ['CONJ00004E'],
  },
  CONJUR_FORBIDDEN: {
    means: 'Conjur knows who asks and does not permit it.',
    causes: [
      [
        'At login: the host is in no group that may authenticate.',
        'The !grant on conjur/AUTHENTICATOR.',
      ],
      ['At a variable: it may be seen but not read.', 'The !permit execute on that variable.'],
    ],
    cure: 'Grant or permit it in policy. Until then the last value stays; after a second refusal the one variable goes.',
    cured: NEXT_PASS,
    alsoKnownAs: ['CONJ00006E', 'CSPFK034E'],
  },
  CONJUR_NOT_FOUND: {
    means: 'There is no such variable for this host, or no such route.',
    causes: [
      [
        'The variable is misspelt, was never set, or may not be seen: Conjur says the same of all three.',
        '`conjur variable get -i ID` as its owner.',
      ],
      [
        'A base path such as /api is missing in CONJUR_APPLIANCE_URL.',
        '`curl -i` on the address: Conjur answers with its version.',
      ],
      ['The account is misspelt.', 'CONJUR_ACCOUNT.'],
    ],
    cure: 'Correct the name, set a value, permit the variable, or mark it `required: false`.',
    cured: EXIT_0,
    alsoKnownAs: ['CONJ00076E', 'CSPFK034E'],
  },
  CONJUR_REJECTED: {
    means: 'Conjur, or a proxy before it, rejects a request as it is.',
    causes: [
      [
        'The platform token did not arrive: an empty or cut file.',
        '`conjur-agent doctor --until token`.',
      ],
      ['A firewall rejects the request.', 'Who answers: `curl -i` on the address.'],
    ],
    cure: 'See the status in the message and the server at that time.',
    cured: EXIT_0,
    alsoKnownAs: ['CONJ00009E'],
  },
  CONJUR_BAD_REPLY: {
    means: 'Something answers that is not Conjur, or not whole.',
    causes: [
      ['A portal, a proxy or another service is at that address.', '`curl -i` on the address.'],
      ['The address redirects.', 'Set CONJUR_APPLIANCE_URL to where it leads, if that is Conjur.'],
    ],
    cure: 'Set CONJUR_APPLIANCE_URL to the address that Conjur itself answers.',
    cured: EXIT_0,
    alsoKnownAs: [],
  },
  OUTPUT_UNWRITABLE: {
    means: 'A file cannot be written.',
    causes: [
      ['The directory is not mounted or read-only.', '`ls -ld` and `mount` on the directory.'],
      ['It belongs to another user.', '`id`; in a pod set fsGroup.'],
    ],
    cure: 'Mount a writable volume in memory there.',
    cured: EXIT_0,
    alsoKnownAs: [],
  },
  OUTPUT_FULL: {
    means: 'The volume has no room for the new set; the last one stays whole.',
    causes: [
      [
        'Its size limit is too small: old and new set stand beside each other for a moment.',
        '`df -h` and `df -i` on the directory.',
      ],
      [
        'The `"*"` in the conjur-map of a Secret gives more keys than its `max`, or more bytes than a Secret holds.',
        'Filter it with `include` and `exclude`, or write a larger `max`.',
      ],
    ],
    cure: 'Raise the sizeLimit of the volume to twice the set and a little.',
    cured: NEXT_PASS,
    alsoKnownAs: [],
  },
  OUTPUT_NOT_TMPFS: {
    means: 'The secrets directory is on a disk, and requireTmpfs is true.',
    causes: [['The volume lacks `medium: Memory`.', '`mount` on the directory.']],
    cure: 'Make it an emptyDir with medium: Memory, or set CONJUR_REQUIRE_TMPFS=warn.',
    cured: EXIT_0,
    alsoKnownAs: [],
  },
  OUTPUT_BLOCKED: {
    means: 'A directory with something in it stands where a file belongs.',
    causes: [['Another program writes to the volume.', '`ls -la` on the path.']],
    cure: 'Move it away, or give the group another path.',
    cured: NEXT_PASS,
    alsoKnownAs: [],
  },
  OUTPUT_UNFIT: {
    means:
      'A format cannot carry a value or an alias; the group and alias are named, and its file stays as it was.',
    causes: [
      [
        'A value that is no UTF-8 text in a text format.',
        'Store it as base64 with `content-type: base64` and format plain.',
      ],
      ['An alias that is no name in that format.', 'Write `alias: path` in the list.'],
      ['A template fails on the true values.', 'The line and column in the message.'],
    ],
    cure: 'Choose format plain, another alias, or mend the template.',
    cured: NEXT_PASS,
    alsoKnownAs: ['CSPFK064E', 'CSPFK065E'],
  },
  ADMISSION_REFUSED: {
    means: 'A pod asked for injection in a way that cannot be fulfilled, so it was not admitted.',
    causes: [
      [
        'An annotation is wrong or not allowed.',
        'The message of `kubectl apply`, or the event on the owner of the pod.',
      ],
    ],
    cure: 'Correct what the message lists.',
    cured: '`conjur-agent inject -f pod.yaml` prints a patched pod.',
    alsoKnownAs: [],
  },
  ADMISSION_MALFORMED: {
    means: 'What was sent to the webhook is no AdmissionReview.',
    causes: [['Something else than the API server calls it.', 'The log of the injector.']],
    cure: 'Send AdmissionReview v1 as JSON to POST /mutate.',
    cured: 'The API server admits pods.',
    alsoKnownAs: [],
  },
}
