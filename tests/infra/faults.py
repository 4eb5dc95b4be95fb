"""Faults that a careless change could plant in the template, and the check for each."""

from typing import NamedTuple


class Fault(NamedTuple):
    """Replace `old`, wherever it occurs in the template, by `new`."""

    name: str
    old: str
    new: str
    caught_by: str


MINE = """              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !GetAtt FailedTicks.Arn
"""
ON_FAILURE = """        DestinationConfig:
          OnFailure:
            Type: SQS
            Destination: !GetAtt FailedTicks.Arn
"""
DEAD_LETTERS = """            DeadLetterConfig:
              Arn: !GetAtt UndeliveredTicks.Arn
"""
INPUT = """'{"tick": {"scheduled_at": "<aws.scheduler.scheduled-time>"}}'"""
DATABASE_SECRET = (
    "!If [Aurora, !GetAtt DatabaseCluster.MasterUserSecret.SecretArn, !Ref DatabaseSecretArn]"
)
IN_TICK_ROLE = f"""                  - !Ref MailSecretArn
                  - {DATABASE_SECRET}
"""
IN_TICK_SETTINGS = f"""              - !Ref MailSecretArn
              - {DATABASE_SECRET}
"""
PUBLISHED = """        - - !Ref ApiMemory
          - !Ref Architecture
"""
WATCHED_ROLLOUT = """          - !Ref ServerErrorsAlarm
"""
TOLD = "      AlarmActions: [!If [MadeTopic, !Ref AlarmTopic, !Ref AlarmTopicArn]]\n"
FROM_THE_FUNCTIONS = """      ToPort: !GetAtt DatabaseCluster.Endpoint.Port
      SourceSecurityGroupId: !Ref FunctionsGroup
"""

FAULTS = [
    # Rights
    Fault("a right with a star", "Action: sqs:SendMessage", 'Action: "sqs:*"', "actions_are_named"),
    Fault(
        "sending to every queue",
        MINE,
        MINE.replace("!GetAtt FailedTicks.Arn", '"*"'),
        "resources_are_named",
    ),
    Fault("every secret", IN_TICK_ROLE, '                  - "*"\n', "resources_are_named"),
    Fault(
        "every secret of the account",
        IN_TICK_ROLE,
        "                  - !Sub arn:aws:secretsmanager:us-east-1:${AWS::AccountId}:secret:*\n",
        "secrets_are_named",
    ),
    Fault(
        "a secret that nobody may read",
        IN_TICK_ROLE,
        f"                  - {DATABASE_SECRET}\n",
        "secrets_are_named",
    ),
    Fault("SAM's own policies", "      Role: !GetAtt ApiRole.Arn\n", "", "roles_are_apart"),
    Fault("two roles in one", "!GetAtt ApiRole.Arn", "!GetAtt TickRole.Arn", "roles_are_apart"),
    Fault(
        "the Api reads the mail server's password",
        f"                  - !Ref AppSecret\n                  - {DATABASE_SECRET}\n",
        f"                  - !Ref AppSecret\n{IN_TICK_ROLE}",
        "roles_are_apart",
    ),
    Fault(
        "a role for anybody's schedule",
        "                aws:SourceAccount: !Ref AWS::AccountId\n",
        "                aws:PrincipalOrgID: o-example\n",
        "roles_are_taken_by_services",
    ),
    # The tick
    Fault("no queue for the scheduler", DEAD_LETTERS, "", "dead_letters_are_kept"),
    Fault("no queue for ticks that fail", ON_FAILURE, "", "dead_letters_are_kept"),
    Fault("a queue that nothing may send to", MINE, "", "dead_letters_are_kept"),
    Fault(
        "a queue in the clear",
        "      SqsManagedSseEnabled: true\n",
        "      SqsManagedSseEnabled: false\n",
        "dead_letters_are_kept",
    ),
    Fault("a rate of 1 minutes", "rate(1 minute)", "rate(1 minutes)", "schedule_fires"),
    Fault("a cron of five fields", "rate(1 minute)", "cron(* * * * *)", "schedule_fires"),
    Fault(
        "one name for all stacks' schedules", "            OmitName: true\n", "", "schedule_fires"
    ),
    Fault(
        "an input with a comma too much", INPUT, INPUT.replace('>"}', '>",}'), "schedule_says_when"
    ),
    Fault(
        "an input with another member",
        INPUT,
        INPUT.replace("scheduled_at", "scheduledAt"),
        "schedule_says_when",
    ),
    Fault(
        "an execution's id instead of its time",
        "scheduler.scheduled-time",
        "scheduler.execution-id",
        "schedule_says_when",
    ),
    Fault("Mode: OFF, which YAML reads as false", 'Mode: "OFF"', "Mode: OFF", "lint"),
    # The functions
    Fault("a handler misspelt", "handler.migrate", "handler.migrat", "handlers_exist"),
    Fault("a module that is not there", "handler.handler", "handlers.handler", "handlers_exist"),
    Fault("a setting misspelt", "KEYSTEAD_BASE_URL:", "KEYSTEAD_BASEURL:", "settings_are_known"),
    Fault(
        "a development setting",
        "KEYSTEAD_ENVIRONMENT: production",
        "KEYSTEAD_ENVIRONMENT: development",
        "settings_are_known",
    ),
    Fault("another architecture", "[!Ref Architecture]", "[arm64]", "functions_agree"),
    Fault("an old Python", "python3.13", "python3.9", "lint"),
    Fault(
        "an API that waits less",
        "TimeoutInMillis: 29000",
        "TimeoutInMillis: 20000",
        "functions_agree",
    ),
    Fault(
        "requests past the alias",
        "IntegrationUri: !Ref ApiFunction.Alias",
        "IntegrationUri: !GetAtt ApiFunction.Arn",
        "functions_agree",
    ),
    Fault(
        "queries in the access log",
        "$context.path",
        "$context.requestOverride.querystring",
        "requests_are_limited",
    ),
    Fault(
        "no limit",
        "        ThrottlingRateLimit: !Ref RequestsPerSecond\n",
        "",
        "requests_are_limited",
    ),
    # Versions
    Fault(
        "new code before the migration", "    DependsOn: Migration\n", "", "migration_comes_first"
    ),
    Fault(
        "a migration that runs once",
        "      Version: !Ref MigrateFunction.Version\n",
        "",
        "migration_comes_first",
    ),
    Fault(
        "a migration before the database",
        "        - !If [Aurora, !Ref DatabaseInstance, none]\n",
        "",
        "migration_comes_first",
    ),
    Fault(
        "an hour for a migration that is dead",
        "      ServiceTimeout: 960\n",
        "",
        "migration_comes_first",
    ),
    Fault(
        "memory that reaches nobody",
        PUBLISHED,
        "        - - !Ref Architecture\n",
        "versions_follow_parameters",
    ),
    Fault(
        "a version of what has not changed",
        PUBLISHED,
        PUBLISHED + "          - !Ref ApiConcurrency\n",
        "versions_follow_parameters",
    ),
    Fault("a rollout that looks at no errors", WATCHED_ROLLOUT, "", "rollouts_are_watched"),
    # Data
    Fault(
        "a secret that goes with the stack",
        "    DeletionPolicy: Retain\n",
        "",
        "data_outlive_the_stack",
    ),
    Fault("no last snapshot", "    DeletionPolicy: Snapshot\n", "", "data_outlive_the_stack"),
    Fault("logs for ever", "      RetentionInDays: !Ref LogDays\n", "", "logs_end"),
    Fault(
        "a log group that Lambda makes",
        "      LoggingConfig:\n        LogGroup: !Ref TickLogs\n",
        "",
        "logs_end",
    ),
    Fault(
        "a password in the template",
        "      ManageMasterUserPassword: true\n",
        "      MasterUserPassword: excalibur\n",
        "database_is_guarded",
    ),
    Fault(
        "a disk in the clear",
        "StorageEncrypted: true",
        "StorageEncrypted: false",
        "database_is_guarded",
    ),
    Fault("TLS with whoever answers", "sslmode=verify-full", "sslmode=require", "tls_is_verified"),
    Fault("no authority on MySQL", "&ssl_ca=rds.pem", "", "tls_is_verified"),
    Fault("a database without TLS", 'rds.force_ssl: "1"', 'rds.force_ssl: "0"', "tls_is_verified"),
    Fault(
        "a database open to all",
        FROM_THE_FUNCTIONS,
        FROM_THE_FUNCTIONS.replace(
            "SourceSecurityGroupId: !Ref FunctionsGroup", "CidrIp: 0.0.0.0/0"
        ),
        "network_is_closed",
    ),
    Fault(
        "a public database",
        "PubliclyAccessible: false",
        "PubliclyAccessible: true",
        "network_is_closed",
    ),
    # Alarms
    Fault(
        "an alarm that sleeps through silence",
        "TreatMissingData: breaching",
        "TreatMissingData: ignore",
        "silence_is_heard",
    ),
    Fault("an alarm in a day", "LateAfter: 300", "LateAfter: 86400", "silence_is_heard"),
    Fault("alarms that nobody hears", TOLD, "", "alarms_ring"),
    Fault(
        "a metric that Mangum keeps at nothing",
        "MetricName: ServerErrors",
        "MetricName: Errors",
        "alarms_ring",
    ),
    Fault("a dimension of another metric", "Name: ApiId", "Name: ApiName", "alarms_ring"),
    # Numbers and descriptions
    Fault(
        "more ticks than connections",
        "ReservedConcurrentExecutions: 2",
        "ReservedConcurrentExecutions: 30",
        "connections_suffice",
    ),
    Fault(
        "a migration without limit",
        "      ReservedConcurrentExecutions: 1\n",
        "",
        "connections_suffice",
    ),
    Fault(
        "a rule that lets too many in",
        '["5", "10", "20"], !Ref ApiConcurrency',
        '["5", "10", "20", "40"], !Ref ApiConcurrency',
        "connections_suffice",
    ),
    Fault(
        "Aurora without a network",
        "[nat, endpoints, brought]",
        "[none, nat, endpoints, brought]",
        "rules_refuse",
    ),
    Fault(
        "a parameter that takes anything",
        "    AllowedValues: [arm64, x86_64]\n",
        "",
        "parameters_are_checked",
    ),
    Fault(
        "a column that is not there",
        "email_key = 'arthur",
        "email_lower = 'arthur",
        "people_are_helped",
    ),
]
