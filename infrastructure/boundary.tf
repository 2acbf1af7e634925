# The most that any function of this stage may ever do, whatever its own policy says.
data "aws_iam_policy_document" "boundary" {
  statement {
    sid = "Items"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    resources = flatten([
      for table in aws_dynamodb_table.table : [table.arn, "${table.arn}/index/*"]
    ])
  }

  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for folder in ["transcripts", "texts"] : "${aws_s3_bucket.bucket.arn}/${folder}/*"]
  }

  # What is deleted is what has been packed; an earlier version stays for 30 days.
  statement {
    sid       = "PackedObjects"
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.bucket.arn}/transcripts/*/single/*"]
  }

  statement {
    sid       = "ObjectNames"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.bucket.arn]
  }

  statement {
    sid = "Messages"
    actions = [
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = [for queue in aws_sqs_queue.queue : queue.arn]
  }

  statement {
    sid       = "Secrets"
    actions   = ["ssm:GetParametersByPath"]
    resources = ["arn:aws:ssm:${var.region}:${local.account}:parameter/tilts/${local.stage}", "arn:aws:ssm:${var.region}:${local.account}:parameter/tilts/${local.stage}/*"]
  }

  # Asked for by DynamoDB and Systems Manager on a function's behalf, with AWS's keys.
  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt", "kms:DescribeKey"]
    resources = ["arn:aws:kms:${var.region}:${local.account}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["dynamodb.${var.region}.amazonaws.com", "ssm.${var.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "Sockets"
    actions   = ["execute-api:ManageConnections"]
    resources = ["arn:aws:execute-api:${var.region}:${local.account}:*/*/*/@connections/*"]
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for group in aws_cloudwatch_log_group.function : "${group.arn}:*"]
  }

  statement {
    #checkov:skip=CKV_AWS_111:traces have no resource to name
    #checkov:skip=CKV_AWS_356:traces have no resource to name
    sid       = "Traces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "boundary" {
  name        = "${local.prefix}-boundary"
  description = "The most that a function of ${local.prefix} may do"
  policy      = data.aws_iam_policy_document.boundary.json
}
