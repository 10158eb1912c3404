"""A common first version: FastAPI, a pydantic model, and scikit-learn on a DataFrame."""

import os
import pickle
from pathlib import Path

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

forest = pickle.loads(Path(os.environ["FOREST"]).read_bytes())
app = FastAPI()


class Student(BaseModel):
    age: float
    course: float
    sleep_hours: float
    relationship: float
    review_hours: float


class Answer(BaseModel):
    probability: float


@app.post("/predict")
def predict(student: Student) -> Answer:
    frame = pd.DataFrame([student.model_dump()])
    return Answer(probability=forest.predict_proba(frame.to_numpy("float32"))[0, 1])
