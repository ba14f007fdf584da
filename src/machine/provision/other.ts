import { keyArn } from "local-aws";
import { NOTHING_TO_DO, policyText, type ResourceType } from "./provider.ts";

/** Roles, log groups, keys, alarms, dashboards and traces, and providers. */
export const other: Record<string, ResourceType> = {
  "aws:iam/role:Role": {
    inputs: ["name", "assumeRolePolicy", "tags.*"],
    inert: ["description", "forceDetachPolicies", "maxSessionDuration", "path", "permissionsBoundary"],
    provision({ inputs, physicalName }, { identity }) {
      const name = String(inputs.name ?? physicalName);
      const arn = identity.createRole(name, policyText(inputs.assumeRolePolicy));
      return { id: name, state: { ...inputs, name, arn } };
    },
  },

  "aws:iam/rolePolicy:RolePolicy": {
    inputs: ["name", "role", "policy"],
    provision({ name, inputs }, { identity, omitted }) {
      const role = String(inputs.role);
      if (!identity.addRolePolicy(role, policyText(inputs.policy))) {
        omitted.add(
          `aws:iam/rolePolicy:RolePolicy of the role ${role}, which exists already`,
          `the role ${role} is not on this computer`,
        );
      }
      return { id: `${inputs.role}:${name}`, state: inputs };
    },
  },

  // A log is kept until its folder is deleted; the functions' logs are written by the sandboxes.
  "aws:cloudwatch/logGroup:LogGroup": {
    inputs: ["name", "namePrefix", "retentionInDays", "kmsKeyId", "tags.*"],
    inert: ["deletionProtectionEnabled", "logGroupClass", "skipDestroy"],
    provision({ inputs, physicalName }, { region, accountId }) {
      const suffix = physicalName.slice(physicalName.lastIndexOf("-") + 1);
      const name = String(
        inputs.name ?? (inputs.namePrefix ? `${inputs.namePrefix}${suffix}` : physicalName),
      );
      return {
        id: name,
        state: { ...inputs, name, arn: `arn:aws:logs:${region}:${accountId}:log-group:${name}` },
      };
    },
  },

  // Nothing is encrypted here but by the disk's owner; whether a service may use the key is judged all the same.
  "aws:kms/key:Key": {
    provision({ inputs, physicalName: keyId }, { identity, region, accountId }) {
      const arn = keyArn(keyId, `arn:aws:kms:${region}:${accountId}`);
      if (inputs.policy !== undefined) identity.setResourcePolicy(arn, policyText(inputs.policy));
      return { id: keyId, state: { ...inputs, keyId, arn } };
    },
  },
  "aws:kms/alias:Alias": NOTHING_TO_DO,
  "aws:kms/keyPolicy:KeyPolicy": {
    single: true,
    inputs: ["keyId", "policy"],
    provision({ inputs }, { identity, region, accountId }) {
      const id = String(inputs.keyId);
      identity.setResourcePolicy(keyArn(id, `arn:aws:kms:${region}:${accountId}`), String(inputs.policy));
      return { id, state: inputs };
    },
  },

  // Every region and profile is this computer.
  "pulumi:providers:aws": NOTHING_TO_DO,

  // Nothing is measured here: the person is watching.
  "aws:cloudwatch/metricAlarm:MetricAlarm": NOTHING_TO_DO,
  "aws:cloudwatch/dashboard:Dashboard": NOTHING_TO_DO,
  "aws:xray/resourcePolicy:ResourcePolicy": NOTHING_TO_DO,
};
