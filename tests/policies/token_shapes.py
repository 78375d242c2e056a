"""An example for every redaction rule, as a template: at rest nothing here is shaped like a secret.

`{a36}` is 36 random letters and digits; the other alphabets are in `ALPHABETS`. `{uuid}`, `{jwt}`, ... are in `SPECIAL`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import string
from collections.abc import Callable

_AN = string.ascii_letters + string.digits
ALPHABETS = {
    "a": _AN,
    "h": string.digits + "abcdef",
    "H": string.digits + "ABCDEF",
    "d": string.digits,
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "t": string.ascii_uppercase + "234567",
    "z": string.ascii_lowercase + "234567",
    "w": _AN + "_-",
    "b": _AN + "+/",
    "q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "s": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
}


def _base58check(rng: random.Random, version: bytes, size: int, suffix: bytes = b"") -> str:
    raw = version + rng.randbytes(size) + suffix
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, digits = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = ALPHABETS["s"][rest] + digits
    return digits


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _jwt(rng: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': rng.randint(10**6, 10**9)})}.{fill('{w43}', rng)}"


def _uuid(rng: random.Random) -> str:
    return fill("{h8}-{h4}-{h4}-{h4}-{h12}", rng)


SPECIAL: dict[str, Callable[[random.Random], str]] = {
    "uuid": _uuid,
    "jwt": _jwt,
    "key32": lambda rng: _b64(rng.randbytes(32)),
    "key64": lambda rng: _b64(rng.randbytes(64)),
    "wif": lambda rng: _base58check(rng, b"\x80", 32, b"\x01"),
    "xprv": lambda rng: _base58check(rng, b"\x04\x88\xad\xe4", 74),
    "snowflake": lambda rng: "M" + base64.urlsafe_b64encode(str(rng.randint(10**17, 2 * 10**17)).encode()).decode()[1:],
    "pem": lambda rng: "\n".join(_b64(rng.randbytes(48)) for _ in range(6)) + "\n" + _b64(rng.randbytes(20)),
    "dash": lambda _: "-" * 5,
}


def fill(template: str, rng: random.Random) -> str:
    """Return the template with every placeholder replaced by random text."""

    def one(match: re.Match[str]) -> str:
        word = match[1]
        if word in SPECIAL:
            return SPECIAL[word](rng)
        return "".join(rng.choices(ALPHABETS[word[0]], k=int(word[1:])))

    return re.sub(r"\{([A-Za-z]+\d*)\}", one, template)


_TEMPLATES = r"""
private_key_block           {dash}BEGIN RSA PRIVATE KEY{dash}\n{pem}\n{dash}END RSA PRIVATE KEY{dash}
private_key_base64          LS0tLS1CRUdJTiBSU0Eg{b80}
putty_private_key           Private-Lines: 2\n{b64}\n{b40}
age_secret_key              AGE-SECRET-KEY-1{q58}
age_pq_secret_key           AGE-SECRET-KEY-PQ-1{q80}
kubeconfig_client_key       client-key-data: {b80}
jwk_private                 {"kty": "EC", "d": "{w43}"}
wireguard_key               PrivateKey = {b42}A=
ethereum_private_key        WALLET_KEY=0x{h64}
bitcoin_wif                 {wif}
bitcoin_xprv                {xprv}
aws_access_key_id           AKIA{t16}
aws_secret_access_key       aws_secret_access_key = {b40}
aws_session_token           aws_session_token = {b200}
aws_bedrock_long_key        ABSK{b120}
aws_bedrock_short_key       bedrock-api-key-{b60}
aws_mws_token               amzn.mws.{uuid}
aws_cognito_secret          amzn1.oa2-cs.v1.{h64}
google_api_key              AIza{w35}
google_gemini_key           AQ.Ab{w50}
google_oauth_secret         GOCSPX-{w28}
google_oauth_access         ya29.{w60}
google_oauth_refresh        1//0{w40}
gcp_service_account_key_id  "private_key_id": "{h40}"
gcp_hmac_key                GOOG{u30}
firebase_messaging_key      AAAA{w7}:APA91b{w130}
recaptcha_key               RECAPTCHA_SECRET=6L{w38}
azure_storage_key           DefaultEndpointsProtocol=https;AccountKey={key64}
azure_cosmos_key            COSMOS_KEY={key64}
azure_ad_client_secret      {a3}8Q~{a34}
azure_sas_signature         https://x.blob.core.windows.net/c?sv=2022&sig={a44}%3D
azure_devops_pat            {a76}AZDO{a4}
azure_devops_old_pat        AZURE_DEVOPS_PAT={z52}
azure_identifiable_key      {a40}AIoT{a8}
azure_openai_key            AZURE_OPENAI_API_KEY={h32}
alibaba_access_key          LTAI{a20}
alibaba_secret_key          aliyun_secret: {a30}
tencent_secret_id           AKID{a32}
yandex_api_key              AQVN{w36}
yandex_iam_token            t1.{a40}.{w86}
yandex_oauth_token          y0_{w55}
yandex_storage_secret       YC{a38}
ibm_cloud_key               IBM_CLOUD_API_KEY={w44}
oracle_user_ocid_key        OCI_AUTH_TOKEN={a20}
digitalocean_token          dop_v1_{h64}
digitalocean_spaces_key     DO00{u16}
linode_token                LINODE_TOKEN={h64}
hetzner_token               HCLOUD_TOKEN={a64}
vultr_key                   VULTR_API_KEY={u36}
scaleway_key                SCW_SECRET_KEY={uuid}
ovh_secret                  OVH_APPLICATION_SECRET={a32}
cloudflare_token            cfut_{a48}
cloudflare_api_token        CLOUDFLARE_API_TOKEN={w40}
cloudflare_global_key       X-Auth-Key: {h37}
cloudflare_origin_ca        v1.0-{h24}-{h146}
fastly_token                FASTLY_TOKEN={w32}
akamai_client_token         akab-{l16}-{l16}
heroku_token                HRKU-{w60}
heroku_api_key              HEROKU_API_KEY={uuid}
flyio_token                 fo1_{w43}
render_key                  rnd_{a32}
railway_token               RAILWAY_TOKEN={uuid}
vercel_prefixed_token       vcp_{a40}
vercel_token                VERCEL_TOKEN={a24}
vercel_blob_token           vercel_blob_rw_{a16}_{a30}
netlify_token               nfp_{a38}
netlify_old_token           NETLIFY_AUTH={w43}
supabase_token              sbp_{h40}
supabase_secret_key         sb_secret_{w31}
planetscale_token           pscale_tkn_{w43}
neon_api_key                napi_{l64}
neon_password               npg_{a16}
upstash_token               UPSTASH_REDIS_REST_TOKEN={w56}
turso_token                 TURSO_AUTH_TOKEN={a80}
mongodb_atlas_key           MONGODB_ATLAS_PRIVATE_KEY={uuid}
mongodb_service_secret      mdb_sa_sk_{w40}
clickhouse_cloud_key        4b1d{a38}
aiven_token                 AIVEN_TOKEN={b80}
elastic_api_key             ELASTIC_API_KEY={b60}
scalingo_token              tk-us-{w48}
github_token                ghp_{a36}
github_fine_grained         github_pat_{a22}_{a59}
github_app_long_token       ghs_{a8}_{w80}.{w80}
gitlab_token                glpat-{w20}
gitlab_runner_registration  GR1348941{w20}
gitlab_session              Cookie: _gitlab_session={h32}
bitbucket_app_password      ATBB{a32}
bitbucket_access_token      ATCTT3{w180}
bitbucket_secret            BITBUCKET_CLIENT_SECRET={a40}
gitea_token                 GITEA_TOKEN={h40}
npm_token                   npm_{a36}
npmrc_auth                  //registry.npmjs.org/:_authToken={a40}
pypi_token                  pypi-AgEIcHlwaS5vcmc{w80}
rubygems_key                rubygems_{h48}
crates_io_token             cio{a32}
nuget_key                   oy2{l43}
nuget_config_password       <add key="ClearTextPassword" value="{a12}" />
clojars_token               CLOJARS_{l60}
hex_pm_key                  HEX_API_KEY={h32}
packagist_token             packagist_out_{a64}
docker_hub_token            dckr_pat_{w27}
docker_config_auth          {"auths": {"r.io": {"auth": "{b40}"}}}
artifactory_key             AKCp{a69}
artifactory_reference       cmVmd{a59}
jfrog_token                 ARTIFACTORY_KEY={a73}
circleci_token              CCIPAT_{a22}_{h40}
circleci_old_token          CIRCLE_TOKEN={h40}
buildkite_token             bkua_{a40}
travis_token                TRAVIS_TOKEN={a22}
drone_token                 DRONE_TOKEN={a32}
jenkins_token               JENKINS_API_TOKEN=11{h32}
codecov_token               CODECOV_TOKEN={uuid}
coveralls_token             COVERALLS_REPO_TOKEN={a35}
sonarqube_token             sqp_{h40}
sonar_old_token             sonar.login={h40}
snyk_token                  SNYK_TOKEN={uuid}
sourcegraph_token           sgp_{h16}_{h40}
semgrep_token               SEMGREP_APP_TOKEN={h64}
octopus_key                 API-{u26}
postman_key                 PMAK-{h24}-{h34}
postman_collection_key      PMAT-{u26}
vault_token                 hvs.{w95}
vault_old_token             VAULT_TOKEN=s.{a24}
vault_unseal_key            Unseal Key 1: {b44}
terraform_cloud_token       {a14}.atlasv1.{w67}
doppler_token               dp.pt.{a43}
infisical_token             st.{h24}.{h32}.{h32}
onepassword_secret_key      A3-{u6}-{u11}-{u5}-{u5}-{u5}
onepassword_service_account ops_eyJ{b260}
bitwarden_access_token      0.{uuid}.{a30}:{b22}==
pulumi_token                pul-{h40}
spacelift_key               SPACELIFT_API_KEY_SECRET={h64}
infracost_key               ico-{a32}
openshift_token             sha256~{w43}
tailscale_key               tskey-auth-{a11}-{a32}
ngrok_token                 NGROK_AUTHTOKEN={a27}_{a21}
ngrok_api_key               ak_2{a26}
teleport_token              TELEPORT_TOKEN={h32}
zerotier_token              ZEROTIER_TOKEN={a32}
defined_networking_token    dnkey-{w26}-{w52}
prefect_key                 pnu_{a36}
databricks_token            dapi{h32}
databricks_oauth_secret     dose{h32}
snowflake_token             SNOWFLAKE_PAT={a100}
confluent_secret            CONFLUENT_CLOUD_API_SECRET={b64}
dbt_token                   dbtc_{w40}
harness_token               pat.{w22}.{h24}.{a20}
launchdarkly_key            sdk-{uuid}
datadog_key                 DD_API_KEY={h32}
datadog_app_key             ddapp_{a34}
newrelic_key                NRAK-{u27}
newrelic_license            {h36}NRAL
sentry_user_token           sntryu_{h64}
sentry_org_token            sntrys_eyJ{b120}
sentry_old_token            SENTRY_AUTH_TOKEN={h64}
sentry_dsn_secret           https://{h32}:{h32}@sentry.io/42
grafana_service_account     glsa_{a32}_{h8}
grafana_cloud_token         glc_{b60}
grafana_api_key             eyJrIjoi{a80}
dynatrace_token             dt0c01.{u24}.{u64}
honeycomb_key               hcaik_{l58}
honeycomb_old_key           HONEYCOMB_API_KEY={h32}
pagerduty_key               PAGERDUTY_TOKEN={a20}
opsgenie_key                OPSGENIE_API_KEY={uuid}
rollbar_token               ROLLBAR_ACCESS_TOKEN={h32}
bugsnag_key                 BUGSNAG_API_KEY={h32}
splunk_hec_token            Authorization: Splunk {uuid}
sumologic_key               SUMOLOGIC_ACCESS_KEY={a64}
logdna_key                  LOGDNA_INGESTION_KEY={h32}
posthog_key                 phx_{a43}
segment_key                 sgp_{a64}
mixpanel_secret             MIXPANEL_SECRET={h32}
amplitude_key               AMPLITUDE_API_KEY={h32}
algolia_admin_key           ALGOLIA_ADMIN_KEY={h32}
anthropic_key               sk-ant-api03-{w93}AA
openai_key                  sk-proj-{w74}T3BlbkFJ{w74}
openai_old_key              sk-{a20}T3BlbkFJ{a20}
openai_session              sess-{a40}
openrouter_key              sk-or-v1-{h64}
langfuse_key                sk-lf-{uuid}
sk_style_key                sk-{a48}
huggingface_token           hf_{a34}
huggingface_org_token       api_org_{a34}
groq_key                    gsk_{a52}
xai_key                     xai-{a80}
replicate_token             r8_{a37}
perplexity_key              pplx-{a48}
nvidia_key                  nvapi-{w64}
fireworks_key               fw_{a24}
together_key                tgp_v1_{w43}
cerebras_key                csk-{l48}
pinecone_key                pcsk_{a5}_{a63}
jina_key                    jina_{h32}{a28}
tavily_key                  tvly-dev-{a32}
firecrawl_key               fc-{h32}
langsmith_key               lsv2_pt_{h32}_{h10}
elevenlabs_key              sk_{h48}
voyage_key                  pa-{a43}
modal_token_secret          as-{a22}
wandb_key                   wandb_v1_{w60}
wandb_old_key               WANDB_API_KEY={h40}
e2b_key                     e2b_{h40}
cohere_key                  COHERE_API_KEY={a40}
mistral_key                 MISTRAL_API_KEY={a32}
stability_deepgram_key      DEEPGRAM_API_KEY={h40}
assemblyai_key              ASSEMBLYAI_API_KEY={h32}
serpapi_key                 SERPAPI_API_KEY={h64}
kaggle_key                  {"username":"ann","key":"{h32}"}
kaggle_token                KGAT_{h32}
rapidapi_key                X-RapidAPI-Key: {l10}msh{l37}
slack_token                 xoxb-{d12}-{d12}-{a24}
slack_config_token          xoxe.xoxp-1-{u160}
slack_app_token             xapp-1-A{u10}-{d13}-{h64}
slack_workflow_token        xwfp-{d12}-{a40}
slack_webhook               https://hooks.slack.com/services/T{u10}/B{u10}/{a24}
discord_bot_token           {snowflake}.{w6}.{w27}
discord_webhook             https://discord.com/api/webhooks/1{d18}/{w68}
discord_mfa_token           mfa.{w84}
discord_client_secret       DISCORD_CLIENT_SECRET={w32}
telegram_bot_token          {d9}1:AA{w33}
teams_webhook               https://x.webhook.office.com/webhookb2/{uuid}@{uuid}/IncomingWebhook/{h32}/{uuid}
mattermost_token            MATTERMOST_TOKEN={l26}
twilio_api_key              SK{h32}
twilio_account_sid          AC{h32}
twilio_auth_token           TWILIO_AUTH_TOKEN={h32}
sendgrid_key                SG.{w22}.{w43}
mailgun_key                 key-{h32}
mailgun_new_key             {h32}-{h8}-{h8}
mailchimp_key               {h32}-us14
mandrill_key                md-{a22}
brevo_key                   xkeysib-{h64}-{a16}
brevo_smtp_key              xsmtpsib-{h64}-{a16}
postmark_token              POSTMARK_SERVER_TOKEN={uuid}
resend_key                  re_{a8}_{a24}
intercom_token              INTERCOM_TOKEN={w60}
hubspot_token               pat-na1-{uuid}
zendesk_token               ZENDESK_API_TOKEN={a40}
vonage_secret               VONAGE_API_SECRET={a16}
messagebird_key             MESSAGEBIRD_KEY={a25}
stripe_key                  sk_live_{a24}
stripe_webhook_secret       whsec_{a32}
square_token                sq0atp-{w22}
paypal_secret               PAYPAL_CLIENT_SECRET=E{w79}
braintree_token             access_token$production${l16}${h32}
adyen_key                   AQE{b80}
plaid_token                 access-sandbox-{uuid}
plaid_secret                PLAID_SECRET={h30}
shopify_token               shpat_{h32}
flutterwave_key             FLWSECK-{a32}-X
paystack_key                PAYSTACK_KEY=sk_live_{h40}
razorpay_secret             RAZORPAY_KEY_SECRET={a24}
gocardless_token            live_{a40}
coinbase_key                COINBASE_KEY={w64}
binance_secret              BINANCE_API_SECRET={a64}
kraken_secret               KRAKEN_KEY={b86}==
lob_key                     live_{h35}
easypost_key                EZAK{a54}
shippo_key                  shippo_live_{h40}
duffel_key                  duffel_live_{w43}
atlassian_token             ATATT3{w186}
atlassian_old_token         JIRA_API_TOKEN={a24}
linear_key                  lin_api_{a40}
notion_token                ntn_{d11}{a35}
notion_old_token            secret_{a43}
airtable_token              pat{a14}.{h64}
airtable_key                AIRTABLE_API_KEY=key{a14}
asana_token                 1/12{d14}:{h32}
clickup_token               pk_{d8}_{u32}
monday_trello_token         TRELLO_TOKEN={h64}
figma_token                 figd_{w40}
contentful_token            CFPAT-{w43}
contentful_delivery         CONTENTFUL_TOKEN={w43}
sanity_token                SANITY_API_TOKEN=sk{a100}
dropbox_token               sl.{w135}
dropbox_app_secret          DROPBOX_SECRET={l15}
box_secret                  BOX_CLIENT_SECRET={a32}
okta_token                  OKTA_TOKEN=00{w40}
auth0_secret                AUTH0_CLIENT_SECRET={w64}
clerk_secret                CLERK_SECRET_KEY=sk_test_{a42}
facebook_token              EAAC{a150}
facebook_secret             FACEBOOK_APP_SECRET={h32}
twitter_bearer              AAAAAAAAAAAAAAAAAAAAAA{a90}
twitter_secret              TWITTER_ACCESS_SECRET={a45}
linkedin_secret             WPL_AP1.{a16}.{b8}
spotify_secret              SPOTIFY_CLIENT_SECRET={h32}
twitch_secret               TWITCH_CLIENT_SECRET={l30}
reddit_secret               REDDIT_CLIENT_SECRET={w27}
mapbox_secret_token         sk.eyJ{a80}.{w22}
maxmind_key                 {a6}_{a29}_mmk
typeform_token              tfp_{a44}
zapier_webhook              https://hooks.zapier.com/hooks/catch/{d7}/{l8}
readme_key                  rdme_{l70}
adobe_secret                p8e-{a32}
frameio_token               fio-u-{w64}
ubidots_beamer_token        BEAMER_KEY=b_{w44}
salesforce_token            00D{a15}!{a90}
jwt                         {jwt}
connection_string           postgresql://app:{a14}@db.internal:5432/orders
basic_auth_url              https://deploy:{a14}@git.internal/repo.git
ado_connection_password     Server=db1;Database=orders;User Id=app;Password={a14};
authorization_bearer        Authorization: Bearer {a40}
authorization_basic         Authorization: Basic {b30}
authorization_other         Authorization: Token {h40}
api_key_header              X-Api-Key: {a32}
curl_user_password          curl -s -u ann:{a12} https://internal/api
url_secret_parameter        https://host/path?access_token={a40}&x=1
cookie_session              Cookie: theme=dark; sessionid={a32}
netrc_password              machine host.internal login ann password {a12}
pgpass_line                 db.internal:5432:orders:app:{a14}
shadow_hash                 $6${a16}${a86}
ansible_vault               $ANSIBLE_VAULT;1.1;AES256\n{h80}\n{h80}\n
password_flag               tool login --password {a14} --verbose
sshpass_flag                sshpass -p {a12} ssh root@host
mysql_flag                  mysql -h db -u root -p{a12} orders
pgpassword                  PGPASSWORD={a10} psql -h db
env_secret                  export MY_APP_SECRET={a24}
quoted_secret               password = "{a12}{d2}"
unquoted_secret             the password is {a12}{d2}
"""

EXAMPLES: dict[str, str] = {}
for _line in _TEMPLATES.strip().splitlines():
    _name, _template = _line.split(maxsplit=1)
    EXAMPLES[_name] = _template.replace(r"\n", "\n")
