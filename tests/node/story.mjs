// One person's way through the pages: log in, run a flow from its form, sign in at the CRM when the run pauses, and watch the run's page
// come to its end by itself. Answers with what was seen and what the browser complained about.
import { answer, args, withProfile } from './browser.mjs';

const seen = await withProfile(async (context) => {
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  const shot = async (name) => args.shots && (await page.screenshot({ path: `${args.shots}/${name}.png`, fullPage: true }));

  await page.goto(`${args.url}/flows/${args.flow}`);
  await page.fill('#login', args.login);
  await page.fill('#password', args.password);
  await page.click('button:has-text("Log in")');
  await page.waitForURL(`**/flows/${args.flow}`);
  await page.click('button:has-text("Run")');
  // The page is open while the run moves: it says by itself that it waits.
  await page.waitForSelector('text=This run waits for you');
  const run = page.url();
  await shot('paused');

  // A second tab stays on the run and must follow it without being touched.
  const watching = await context.newPage();
  watching.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await watching.goto(run);

  await page.click('a:has-text("Sign in with")');
  await shot('connect');
  await page.click('button:has-text("Sign in with")');
  await page.fill('input[name=username]', args.crm_login);
  await page.fill('input[name=password]', args.crm_password);
  await page.click('button[type=submit], button:not([type])');
  await page.click('button:has-text("Allow")');
  await page.waitForSelector('text=Connected as');
  const connected = await page.innerText('h1');
  await watching.waitForSelector('h1 .state.succeeded');
  const text = await watching.innerText('main');
  await shot('connected');
  const cookies = (await context.cookies(args.url)).map(({ name, httpOnly, sameSite, secure, path }) => ({ name, httpOnly, sameSite, secure, path }));
  return { connected, text, complaints, cookies };
});
answer(seen);
