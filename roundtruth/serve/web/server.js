// Requests to the server that gave this page, and how long to wait before the next try.

const PATIENCE = 30_000; // milliseconds without an answer after which a request counts as lost

export class LinkEnded extends Error {} // this link is not valid, or not any more
export class NotTaken extends Error {} // the server looked at it and said no: {status, message}

// A request that may be sent again: no network, no server, or a server in trouble.
export class Unreached extends Error {}

export const ask = (path, body) => request(`api/${path}`, body);

export async function request(address, body) {
  const response = await send(address, body);
  const said = await response.json().catch(() => null);
  const sentence = typeof said?.error === "string" ? said.error : "";
  if ([401, 403, 404].includes(response.status)) throw new LinkEnded(sentence);
  if (response.ok && said) return said;
  // what is no JSON comes from something in between, for instance the sign-in page of a guest network
  if (!said || [408, 425, 429].includes(response.status) || response.status >= 500) throw new Unreached(sentence);
  throw Object.assign(new NotTaken(sentence || `The server said ${response.status}.`), { status: response.status });
}

async function send(address, body) {
  const options = { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE) };
  if (body !== undefined) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
    options.keepalive = options.body.length < 15_000; // then it goes on if the page is closed; browsers limit its size
  }
  try {
    return await fetch(address, options);
  } catch {
    throw new Unreached();
  }
}

// Pauses that grow: 1, 2, 4, ... seconds, a little uneven so that many pages do not ask at the same moment.
export class Pauses {
  constructor(longest) {
    this.longest = longest;
    this.reset();
  }

  reset() {
    this.seconds = 1;
  }

  // Ends early when the network is back, or somebody calls `end`.
  async next() {
    const milliseconds = this.seconds * 1000 * (0.8 + 0.4 * Math.random());
    this.seconds = Math.min(this.seconds * 2, this.longest);
    await new Promise((done) => {
      this.end = done;
      setTimeout(done, milliseconds);
      addEventListener("online", done);
    });
    removeEventListener("online", this.end);
  }

  end() {}
}
