# The gate for a distribution that Terraform owns: function, role, and a numbered version.
#
# Tests parse this module and compare it with what `deploy` does, but we have not
# applied it: read the plan. docs/deploying-the-edge.md shows how to use it.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      version               = ">= 5.0"
      configuration_aliases = [aws.us_east_1] # where Lambda@Edge functions live
    }
  }
}

variable "bundle" {
  description = "The zip that `x402-edge build` wrote. It holds the API key."
  type        = string
}

variable "function_name" {
  type    = string
  default = "x402-edge"
}

variable "timeout" {
  description = "30 where routes.toml says facilitator = \"x402\": a settlement waits for a chain."
  type        = number
  default     = 5
  validation {
    condition     = contains([5, 30], var.timeout)
    error_message = "Set timeout to 5, or to 30 for a bundle with facilitator = \"x402\"."
  }
}

resource "aws_iam_role" "gate" {
  name = "${var.function_name}-role"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = ["edgelambda.amazonaws.com", "lambda.amazonaws.com"] }
    }]
  })
}

resource "aws_iam_role_policy" "logs" {
  name = "logs"
  role = aws_iam_role.gate.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = [
        "arn:aws:logs:*:*:log-group:/aws/lambda/us-east-1.${var.function_name}",
        "arn:aws:logs:*:*:log-group:/aws/lambda/us-east-1.${var.function_name}:*",
      ]
    }]
  })
}

resource "aws_lambda_function" "gate" {
  provider         = aws.us_east_1
  function_name    = var.function_name
  role             = aws_iam_role.gate.arn
  filename         = var.bundle
  source_code_hash = filebase64sha256(var.bundle)
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  memory_size      = 128
  timeout          = var.timeout
  publish          = true
  skip_destroy     = true # a version with replicas cannot be deleted, and rollbacks need it
}

# For each behaviour of the distribution: dynamic "lambda_function_association".
output "associations" {
  value = {
    viewer-request  = aws_lambda_function.gate.qualified_arn
    origin-response = aws_lambda_function.gate.qualified_arn
  }
}
