import { expect } from "chai";
import { Identity } from "../../src/iam/identity.ts";

const trust = (Service: string) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service }, Action: "sts:AssumeRole" }],
  });

/** The credentials of a function whose role may be assumed by a service. */
function credentialsOf(functionName: string, service = "lambda.amazonaws.com") {
  const identity = new Identity("123456789012");
  const credentials = identity.assumeForFunction(identity.createRole("role", trust(service)), functionName);
  return { credentials, known: identity.lookup(credentials.accessKeyId) };
}

describe("the credentials of a function", () => {
  it("are temporary, as Lambda's are: their token must come with every request", () => {
    const { credentials, known } = credentialsOf("worker");

    expect(credentials.accessKeyId).to.match(/^ASIA[A-Z0-9]{16}$/);
    expect(credentials.sessionToken).to.be.a("string").that.is.not.empty;
    expect(known).to.deep.include({ sessionToken: credentials.sessionToken });
  });

  it("are the same at the next start, and others for another function", () => {
    expect(credentialsOf("worker").credentials).to.deep.equal(credentialsOf("worker").credentials);
    expect(credentialsOf("worker").credentials).to.not.deep.equal(credentialsOf("other").credentials);
  });

  it("are refused where Lambda may not assume the role", () => {
    expect(() => credentialsOf("worker", "ec2.amazonaws.com")).to.throw(
      /service lambda\.amazonaws\.com is denied/,
    );
  });
});
