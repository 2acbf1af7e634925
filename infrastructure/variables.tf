variable "region" {
  description = "Where everything of this stage is, for example eu-central-1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region is a name such as eu-central-1."
  }
}

variable "bucket" {
  description = "Name of the bucket; empty: tilts-<stage>-<account id>. Functions need the same name in TILTS_BUCKET."
  type        = string
  default     = ""

  validation {
    condition     = var.bucket == "" || can(regex("^tilts-${terraform.workspace}-[a-z0-9-]{1,40}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name is tilts-<stage>- and small letters, digits and hyphens: policies name no other."
  }
}

variable "alarm_emails" {
  description = "Who is written to when an alarm goes off; each confirms a mail first."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "Each is a mail address."
  }
}

variable "monthly_budget_dollars" {
  description = "What this AWS account may cost in a month before the budget alarm; models are paid elsewhere."
  type        = number
  default     = 50

  validation {
    condition     = var.monthly_budget_dollars > 0
    error_message = "The budget is a positive number of dollars."
  }
}

variable "hourly_model_dollars" {
  description = "What models may cost in an hour before the alarm on spending."
  type        = number
  default     = 20

  validation {
    condition     = var.hourly_model_dollars > 0
    error_message = "The limit is a positive number of dollars."
  }
}

variable "oldest_play_seconds" {
  description = "How long a message may wait to be played before an alarm; large evaluations wait by design."
  type        = number
  default     = 3600

  validation {
    condition     = var.oldest_play_seconds >= 300 && var.oldest_play_seconds <= 345600
    error_message = "Between 300 seconds and the four days that a message is kept."
  }
}

variable "due_episodes" {
  description = "How many episodes that nobody holds a sweep may find, again and again, before an alarm."
  type        = number
  default     = 1000

  validation {
    condition     = var.due_episodes >= 1
    error_message = "At least one."
  }
}

variable "account_concurrency" {
  description = "The account's limit of concurrent Lambda executions (Service Quotas); the alarm is at four fifths."
  type        = number
  default     = 1000

  validation {
    condition     = var.account_concurrency >= 10
    error_message = "New accounts have at least 10."
  }
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "One of CloudWatch's own: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "deletion_protection" {
  description = "False lets `terraform destroy` delete the tables; it never deletes a bucket that is not empty."
  type        = bool
  default     = true
}
