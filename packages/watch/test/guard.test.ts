import { expect } from "chai";
import { judge } from "../src/guard.ts";
import { attachment } from "../src/server.ts";

const PLACE = { port: 4567, token: "secret" };
const HOST = "127.0.0.1:4567";

/** Whether a request passes, and the path that is asked for then. */
function asked(url: string, headers: Record<string, string> = {}, method = "GET"): string {
  const judged = judge({ method, url, headers: { host: HOST, ...headers } }, PLACE);
  return "refused" in judged ? "refused" : judged.path;
}

describe("who may ask for the watch page", () => {
  it("is whoever knows the token, at this computer's own names", () => {
    expect(asked("/secret/")).to.equal("");
    expect(asked("/secret/picture/1?size=thumb")).to.equal("picture/1");
    expect(asked("/secret/", { host: "localhost:4567" })).to.equal("");
  });

  it("is nobody without the token, or with a part of it", () => {
    for (const url of ["/", "/secre/", "/secrets/", "/SECRET/", "//secret/", "/x/secret/", "/%73ecret/"]) {
      expect(asked(url), url).to.equal("refused");
    }
  });

  it("is nobody by another name of this computer, as a stranger's DNS gives it one", () => {
    for (const host of ["evil.example:4567", "127.0.0.1:80", "127.0.0.1.evil.example:4567", ""]) {
      expect(asked("/secret/", { host }), host).to.equal("refused");
    }
  });

  it("is no other site's page, whatever it knows", () => {
    for (const origin of ["http://evil.example", "null", "https://127.0.0.1:4567", "http://127.0.0.1:8080"]) {
      expect(asked("/secret/events", { origin }), origin).to.equal("refused");
      expect(asked("/secret/drop", { origin }, "POST"), origin).to.equal("refused");
    }
    expect(
      asked("/secret/picture/1", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }),
    ).to.equal("refused");
    expect(asked("/secret/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).to.equal("");
  });

  it("must be the page itself to do something", () => {
    expect(asked("/secret/drop", {}, "POST")).to.equal("refused");
    expect(asked("/secret/drop", { origin: `http://${HOST}` }, "POST")).to.equal("drop");
    expect(asked("/secret/drop", { origin: "http://localhost:4567" }, "POST")).to.equal("refused");
  });
});

describe("the name of a download", () => {
  it("is safe in a header, whatever the file is called", () => {
    expect(attachment("cat.jpg")).to.equal(`attachment; filename="cat.jpg"; filename*=UTF-8''cat.jpg`);
    expect(attachment(`a"; x="\r\nSet-Cookie: b\ud800.svg`)).to.match(/^[\x20-\x7e]+$/);
    expect(attachment("Köln's.png")).to.include("filename*=UTF-8''K%C3%B6ln%27s.png");
  });
});
