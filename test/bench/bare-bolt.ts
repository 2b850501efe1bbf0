import { App, HTTPReceiver } from '@slack/bolt';

/* A Bolt app that acks a command and does nothing else: `bare-bolt.ts API_URL BOT_TOKEN APP_TOKEN` or `... http SIGNING_SECRET PORT`. */

const [slackApiUrl = '', token = '', appToken = '', signingSecret = '', port = '0'] = process.argv.slice(2);
const isHttp = appToken === 'http';
const app = new App({
  token,
  clientOptions: { slackApiUrl },
  ...(isHttp
    ? { receiver: new HTTPReceiver({ signingSecret, port: Number(port) }) }
    : { appToken, socketMode: true, installerOptions: { clientOptions: { slackApiUrl } } }),
});
app.command('/jit', async ({ ack }) => ack());
await app.start(Number(port));
