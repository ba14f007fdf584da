import { expect } from "chai";
import { fakeServices, refusalOf } from "./services.ts";

describe("roles, log groups and keys on this computer", () => {
  it("give a role its trust and its permissions", async () => {
    const { make, asked } = fakeServices();

    const { id, state } = await make("aws:iam/role:Role", { name: "r", assumeRolePolicy: "{trust}" });
    const policy = await make("aws:iam/rolePolicy:RolePolicy", { role: "r", policy: "{may}" });

    expect([id, state.arn, policy.id]).to.deep.equal(["r", "arn:role", "r:it"]);
    expect(asked).to.deep.equal([
      ["createRole", "r", "{trust}"],
      ["addRolePolicy", "r", "{may}"],
    ]);
  });

  it("say in a line that a role is not here which exists already, and refuse it where nothing may be left out", async () => {
    const policy = { role: "somebody", policy: "{may}" };
    const { make, services } = fakeServices({ isThere: false });
    await make("aws:iam/rolePolicy:RolePolicy", policy);

    expect(services.omitted.lines).to.deep.equal([
      "not run here: aws:iam/rolePolicy:RolePolicy of the role somebody, which exists already (1)",
    ]);
    const strict = fakeServices({ isThere: false, strict: true });
    expect(await refusalOf(strict.make("aws:iam/rolePolicy:RolePolicy", policy))).to.contain(
      "the role somebody is not on this computer",
    );
  });

  it("name a log group as Pulumi does: in full, by its prefix, or after the resource", async () => {
    const { make } = fakeServices();
    const name = async (inputs: object, resource: string) =>
      (await make("aws:cloudwatch/logGroup:LogGroup", { ...inputs }, { name: resource })).state;

    expect((await name({ name: "/a" }, "one")).arn).to.equal(
      "arn:aws:logs:eu-west-1:000000000000:log-group:/a",
    );
    expect((await name({ namePrefix: "/aws/lambda/x-" }, "two")).name).to.match(
      /^\/aws\/lambda\/x-[0-9a-f]{7}$/,
    );
    expect((await name({}, "a-b")).name).to.match(/^a-b-[0-9a-f]{7}$/);
  });

  it("let a key's policy say who may use it", async () => {
    const { make, asked } = fakeServices();

    const { id, state } = await make("aws:kms/key:Key", { description: "d", deletionWindowInDays: 7 });
    await make("aws:kms/keyPolicy:KeyPolicy", { keyId: id, policy: "{}" });

    expect(state).to.include({ keyId: id, arn: `arn:aws:kms:eu-west-1:000000000000:key/${id}` });
    const own = await make("aws:kms/key:Key", { policy: { Version: "2012-10-17" } }, { name: "own" });
    expect(asked).to.deep.equal([
      ["setResourcePolicy", state.arn, "{}"],
      ["setResourcePolicy", own.state.arn, '{"Version":"2012-10-17"}'],
    ]);
  });

  it("take alarms and dashboards as declared, without a word", async () => {
    const { make, services, asked } = fakeServices();

    const alarm = { metricName: "m", dimensions: { a: "b" }, metricQueries: [{ id: "x" }], unit: "Count" };
    const { state } = await make("aws:cloudwatch/metricAlarm:MetricAlarm", alarm);
    await make("aws:cloudwatch/dashboard:Dashboard", { dashboardName: "d", dashboardBody: "{}" });

    expect(state.arn).to.match(/^arn:aws:cloudwatch:eu-west-1:000000000000:alarm:it-[0-9a-f]{7}$/);
    expect([...services.omitted.lines, ...asked]).to.deep.equal([]);
  });
});
